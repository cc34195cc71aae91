// Which update loops this x86-64 processor can run (GCC and Clang; MSVC: select_x86_msvc.cpp).
#include "kernels.h"

namespace metal_sgd {

extern const CpuKernels kBaselineKernels, kAvx2Kernels, kAvx512Kernels;

const std::vector<const CpuKernels*>& cpu_kernels() {
  static const auto* found = [] {
    auto* list =
        new std::vector<const CpuKernels*>;  // leaked: threads may outlive static destructors
    __builtin_cpu_init();
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512vl");
    if (avx512) list->push_back(&kAvx512Kernels);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c")) {
      list->push_back(&kAvx2Kernels);
    }
    list->push_back(&kBaselineKernels);
    return list;
  }();
  return *found;
}

}  // namespace metal_sgd
