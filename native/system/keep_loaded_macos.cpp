// Never unloads the addon: its threads run as long as the process. dyld may unload a bundle without
// Swift, and Node closes the addons of a worker that ends. The reference kept here prevents both.
#include <dlfcn.h>

namespace metal_sgd {
namespace {

// Runs while the addon is being loaded, before it has any thread.
[[maybe_unused]] void* const kept = [] {
  static const char inside = 0;
  Dl_info addon;
  if (!dladdr(&inside, &addon)) return static_cast<void*>(nullptr);
  return dlopen(addon.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
}();

}  // namespace
}  // namespace metal_sgd
