// Which update loops this x86-64 processor can run, for MSVC, which has no __builtin_cpu_supports.
#include <immintrin.h>
#include <intrin.h>

#include "kernels.h"

namespace metal_sgd {

extern const CpuKernels kBaselineKernels, kAvx2Kernels, kAvx512Kernels;

const std::vector<const CpuKernels*>& cpu_kernels() {
  static const auto* found = [] {
    auto* list =
        new std::vector<const CpuKernels*>;  // leaked: threads may outlive static destructors
    int one[4], seven[4];
    __cpuidex(one, 1, 0);
    __cpuidex(seven, 7, 0);
    constexpr int kOsxsave = 1 << 27, kF16c = 1 << 29, kAvx2 = 1 << 5;
    constexpr unsigned kAvx512 = 1u << 16 | 1u << 30 | 1u << 31;      // F, BW, VL
    unsigned long long saved = (one[2] & kOsxsave) ? _xgetbv(0) : 0;  // registers the system keeps
    unsigned leaf = static_cast<unsigned>(seven[1]);
    if ((saved & 0xe6) == 0xe6 && (leaf & kAvx512) == kAvx512) list->push_back(&kAvx512Kernels);
    if ((saved & 6) == 6 && (leaf & kAvx2) && (one[2] & kF16c)) list->push_back(&kAvx2Kernels);
    list->push_back(&kBaselineKernels);
    return list;
  }();
  return *found;
}

}  // namespace metal_sgd
