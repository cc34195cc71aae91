// Threads run in the addon's code for as long as the process lives: it is never unloaded.
// (Elsewhere the linker is told so: CMakeLists.txt.)
#include <windows.h>

namespace metal_sgd {
namespace {

// Done while the addon is loaded, before it has any thread.
[[maybe_unused]] const BOOL kPinned = [] {
  constexpr DWORD kPin = GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS;
  static const char inside = 0;
  HMODULE addon;
  return GetModuleHandleExW(kPin, reinterpret_cast<LPCWSTR>(&inside), &addon);
}();

}  // namespace
}  // namespace metal_sgd
