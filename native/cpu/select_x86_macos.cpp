// Which update loops this x86-64 Mac can run. Asks the system: it saves AVX-512 registers only once
// a thread uses them, which the processor's own flags don't show.
#include <sys/sysctl.h>

#include "loops.h"

namespace metal_sgd {

extern const CpuKernels kBaselineKernels, kAvx2Kernels, kAvx512Kernels;

namespace {

bool has(const char* feature) {
  int present = 0;
  size_t size = sizeof present;
  return sysctlbyname(feature, &present, &size, nullptr, 0) == 0 && present;
}

}  // namespace

const std::vector<const CpuKernels*>& cpu_kernels() {
  static const auto* found = [] {
    auto* list =
        new std::vector<const CpuKernels*>;  // leaked: threads may outlive static destructors
    bool avx512 =
        has("hw.optional.avx512f") && has("hw.optional.avx512bw") && has("hw.optional.avx512vl");
    if (avx512) list->push_back(&kAvx512Kernels);
    if (has("hw.optional.avx2_0") && has("hw.optional.f16c")) list->push_back(&kAvx2Kernels);
    list->push_back(&kBaselineKernels);
    return list;
  }();
  return *found;
}

bool gains_by_prefetch() { return true; }  // all Macs of this kind have Intel's processors

}  // namespace metal_sgd
