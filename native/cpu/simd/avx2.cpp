// Update loops for x86-64 with AVX2 and F16C. Compiled with -mavx2 -mf16c (/arch:AVX2).
#include <immintrin.h>

#include <cstring>
#include <limits>
#include <type_traits>

#include "cpu/convert.h"
#include "cpu/loops.h"
#include "kernels/norm_shape.h"
#include "kernels/sgd_rule.h"
#include "prefetch_x86.h"

namespace metal_sgd {
namespace {

template <size_t kCount>
void widen(const Float16* from, float (&to)[kCount]) {
  for (size_t i = 0; i < kCount; i += 8) {
    __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i));
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(halves));
  }
}

template <size_t kCount>
void narrow(const float (&from)[kCount], Float16* to) {
  for (size_t i = 0; i < kCount; i += 8) {
    __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), halves);
  }
}

// A lane of 32 bits holds two items of bfloat16. A block takes all lower items first, then all
// upper ones, so that nothing crosses lanes. The order makes no difference to the rule.

template <size_t kCount>
void widen(const Bfloat16* from, float (&to)[kCount]) {
  for (size_t i = 0; i < kCount; i += 16) {
    __m256i items = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i));
    __m256i upper = _mm256_and_si256(items, _mm256_set1_epi32(static_cast<int>(0xffff0000)));
    _mm256_storeu_ps(to + i, _mm256_castsi256_ps(_mm256_slli_epi32(items, 16)));
    _mm256_storeu_ps(to + i + 8, _mm256_castsi256_ps(upper));
  }
}

/// from_float<Bfloat16> for eight values, in the upper halves of the lanes.
__m256i round_to_bfloat16(__m256 value) {
  __m256i bits = _mm256_castps_si256(value);
  __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  __m256i half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
  return _mm256_add_epi32(bits, half);
}

template <size_t kCount>
void narrow(const float (&from)[kCount], Bfloat16* to) {
  for (size_t i = 0; i < kCount; i += 16) {
    __m256i lower = _mm256_srli_epi32(round_to_bfloat16(_mm256_loadu_ps(from + i)), 16);
    __m256i upper = round_to_bfloat16(_mm256_loadu_ps(from + i + 8));
    __m256i items = _mm256_blend_epi16(lower, upper, 0xaa);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), items);
  }
}

}  // namespace
}  // namespace metal_sgd

#define METAL_SGD_KERNELS kAvx2Kernels
#define METAL_SGD_KERNELS_NAME "AVX2"
#include "cpu/loops.inc"
