// arm64 has one set of update loops.
#include "loops.h"

namespace metal_sgd {

extern const CpuKernels kNeonKernels;

const std::vector<const CpuKernels*>& cpu_kernels() {
  static const auto* found =
      new std::vector<const CpuKernels*>{&kNeonKernels};  // leaked on purpose
  return *found;
}

bool gains_by_prefetch() { return false; }  // never measured to pay

}  // namespace metal_sgd
