// Finds Node-API in the program that loads the addon, whatever its name (node.exe, electron.exe,
// ...), or in node.dll if the program has one. cmake-js does the same for MSVC.
// In this order: delayimp.h needs what windows.h declares.
// clang-format off
#include <windows.h>
#include <delayimp.h>
// clang-format on

namespace {

/// Called before, while and after an imported function is looked up.
FARPROC WINAPI find_node(unsigned event, DelayLoadInfo* info) {
  if (event == dliStartProcessing) {
    DWORD before;  // lld puts the table of addresses into read-only memory
    VirtualProtect(info->ppfn, sizeof *info->ppfn, PAGE_READWRITE, &before);
  }
  if (event != dliNotePreLoadLibrary) return nullptr;
  HMODULE library = GetModuleHandleW(L"node.dll");
  return reinterpret_cast<FARPROC>(library ? library : GetModuleHandleW(nullptr));
}

}  // namespace

extern "C" PfnDliHook __pfnDliNotifyHook2 = find_node;
