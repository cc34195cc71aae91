// CPUID by MSVC's intrinsics.
#include <immintrin.h>
#include <intrin.h>

#include "cpuid.h"

namespace metal_sgd {

Cpuid read_cpuid() {
  constexpr int kOsxsave = 1 << 27;
  int zero[4], one[4], seven[4] = {};
  __cpuid(zero, 0);
  __cpuid(one, 1);
  if (zero[0] >= 7) __cpuidex(seven, 7, 0);
  return {static_cast<uint32_t>(zero[1]), static_cast<uint32_t>(one[2]),
          static_cast<uint32_t>(seven[1]), (one[2] & kOsxsave) ? _xgetbv(0) : 0};
}

}  // namespace metal_sgd
