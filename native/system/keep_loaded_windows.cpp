// Never unloads the addon: its threads run as long as the process. On Linux a linker flag
// in CMakeLists.txt does this.
#include <windows.h>

namespace metal_sgd {
namespace {

// Runs while the addon is being loaded, before it has any thread.
[[maybe_unused]] const BOOL kPinned = [] {
  constexpr DWORD kPin = GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS;
  static const char inside = 0;
  HMODULE addon;
  return GetModuleHandleExW(kPin, reinterpret_cast<LPCWSTR>(&inside), &addon);
}();

}  // namespace
}  // namespace metal_sgd
