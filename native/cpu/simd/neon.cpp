// Update loops for arm64: NEON, with its float16 conversions, is part of the base instruction set.
#include <arm_neon.h>

#include <cstring>
#include <limits>
#include <type_traits>

#include "cpu/convert.h"
#include "cpu/loops.h"
#include "kernels/norm_shape.h"
#include "kernels/sgd_rule.h"

namespace metal_sgd {
namespace {

template <size_t kCount>
void widen(const Float16* from, float (&to)[kCount]) {
  for (size_t i = 0; i < kCount; i += 4) {
    uint16x4_t halves = vld1_u16(&from[i].bits);
    vst1q_f32(to + i, vcvt_f32_f16(vreinterpret_f16_u16(halves)));
  }
}

template <size_t kCount>
void narrow(const float (&from)[kCount], Float16* to) {
  for (size_t i = 0; i < kCount; i += 4) {
    vst1_u16(&to[i].bits, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(from + i))));
  }
}

template <size_t kCount>
void widen(const Bfloat16* from, float (&to)[kCount]) {
  for (size_t i = 0; i < kCount; i++) to[i] = to_float(from[i]);
}

template <size_t kCount>
void narrow(const float (&from)[kCount], Bfloat16* to) {
  for (size_t i = 0; i < kCount; i++) to[i] = from_float<Bfloat16>(from[i]);
}

/// Prefetches `kBytes` from 2 KiB after `at` on; never faults. Used on request alone.
template <size_t kBytes>
void prefetch(const void* at) {
  const char* ahead = static_cast<const char*>(at) + 2048;
  for (size_t i = 0; i < kBytes; i += 64) __builtin_prefetch(ahead + i);
}

}  // namespace
}  // namespace metal_sgd

#define METAL_SGD_KERNELS kNeonKernels
#define METAL_SGD_KERNELS_NAME "NEON"
#include "cpu/loops.inc"
