// Update loops for x86-64 with AVX-512 F, BW and VL. Compiled with those flags (/arch:AVX512).
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
  for (size_t i = 0; i < kCount; i += 16) {
    __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i));
    _mm512_storeu_ps(to + i, _mm512_cvtph_ps(halves));
  }
}

template <size_t kCount>
void narrow(const float (&from)[kCount], Float16* to) {
  for (size_t i = 0; i < kCount; i += 16) {
    __m256i halves = _mm512_cvtps_ph(_mm512_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), halves);
  }
}

// A lane of 32 bits holds two items of bfloat16. A block takes all lower items first, then all
// upper ones, so that nothing crosses lanes. The order makes no difference to the rule.

template <size_t kCount>
void widen(const Bfloat16* from, float (&to)[kCount]) {
  for (size_t i = 0; i < kCount; i += 32) {
    __m512i items = _mm512_loadu_si512(from + i);
    __m512i upper = _mm512_and_si512(items, _mm512_set1_epi32(static_cast<int>(0xffff0000)));
    _mm512_storeu_ps(to + i, _mm512_castsi512_ps(_mm512_slli_epi32(items, 16)));
    _mm512_storeu_ps(to + i + 16, _mm512_castsi512_ps(upper));
  }
}

/// from_float<Bfloat16> for 16 values, in the upper halves of the lanes. AVX512-BF16's own
/// conversion flushes subnormals to zero, and was slower on Sapphire Rapids.
__m512i round_to_bfloat16(__m512 value) {
  __m512i bits = _mm512_castps_si512(value);
  __mmask16 odd = _mm512_test_epi32_mask(bits, _mm512_set1_epi32(0x10000));
  __m512i half = _mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff));
  return _mm512_mask_add_epi32(half, odd, half, _mm512_set1_epi32(1));
}

template <size_t kCount>
void narrow(const float (&from)[kCount], Bfloat16* to) {
  constexpr __mmask32 kUpperHalves = 0xaaaaaaaa;
  for (size_t i = 0; i < kCount; i += 32) {
    __m512i lower = _mm512_srli_epi32(round_to_bfloat16(_mm512_loadu_ps(from + i)), 16);
    __m512i upper = round_to_bfloat16(_mm512_loadu_ps(from + i + 16));
    _mm512_storeu_si512(to + i, _mm512_mask_blend_epi16(kUpperHalves, lower, upper));
  }
}

}  // namespace
}  // namespace metal_sgd

#define METAL_SGD_KERNELS kAvx512Kernels
#define METAL_SGD_KERNELS_NAME "AVX-512"
#include "cpu/loops.inc"
