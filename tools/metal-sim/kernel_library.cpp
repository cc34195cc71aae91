// Filled before main() by the generated files.
#include "kernel_library.h"

#include <cstring>

namespace metal_sim {
namespace {

std::vector<const KernelLibrary*>& libraries() {
  static auto* all = new std::vector<const KernelLibrary*>;
  return *all;
}

}  // namespace

METAL_SIM_FAST_THREAD_LOCAL uint32_t current_thread = 0;
METAL_SIM_FAST_THREAD_LOCAL NearZero near_zero;

void register_library(const KernelLibrary* library) { libraries().push_back(library); }

const KernelLibrary* find_library(const std::string& source) {
  for (const KernelLibrary* library : libraries()) {
    if (library->source_length == source.size() &&
        memcmp(library->source, source.data(), source.size()) == 0) {
      return library;
    }
  }
  return nullptr;
}

}  // namespace metal_sim
