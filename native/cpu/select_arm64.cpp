// arm64 has one set of update loops.
#include "loops.h"
#include "system/switches.h"

namespace metal_sgd {

extern const CpuKernels kNeonKernels;

const std::vector<const CpuKernels*>& cpu_kernels() {
  static const auto* found =
      new std::vector<const CpuKernels*>{&kNeonKernels};  // leaked on purpose
  return *found;
}

/// Never measured to pay.
bool gains_by_prefetch() { return is_on(Switch::kPrefetch); }

}  // namespace metal_sgd
