// Update loops for x86-64 with AVX-512 F, BW and VL. Compiled with those flags (/arch:AVX512).
#include <immintrin.h>

#include <type_traits>

#include "convert.h"
#include "kernels.h"
#include "kernels/sgd_rule.h"

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

template <size_t kCount>
void widen(const Bfloat16* from, float (&to)[kCount]) {
  constexpr __mmask32 kUpperHalves = 0xaaaaaaaa;  // of the lanes; zero below
  const __m512i words = _mm512_set_epi16(15, 0, 14, 0, 13, 0, 12, 0, 11, 0, 10, 0, 9, 0, 8, 0,  //
                                         7, 0, 6, 0, 5, 0, 4, 0, 3, 0, 2, 0, 1, 0, 0, 0);
  for (size_t i = 0; i < kCount; i += 16) {
    __m512i items =
        _mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i)));
    __m512i bits = _mm512_maskz_permutexvar_epi16(kUpperHalves, words, items);
    _mm512_storeu_ps(to + i, _mm512_castsi512_ps(bits));
  }
}

/// from_float<Bfloat16> for 16 values, in the upper halves of the lanes. (AVX512-BF16's own
/// conversion takes subnormals for zero, and was slower where tried, on Sapphire Rapids.)
__m512i round_to_bfloat16(__m512 value) {
  __m512i bits = _mm512_castps_si512(value);
  __mmask16 odd = _mm512_test_epi32_mask(bits, _mm512_set1_epi32(0x10000));
  __m512i half = _mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff));
  return _mm512_mask_add_epi32(half, odd, half, _mm512_set1_epi32(1));
}

template <size_t kCount>
void narrow(const float (&from)[kCount], Bfloat16* to) {
  const __m512i odd_words = _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43,  //
                                             41, 39, 37, 35, 33, 31, 29, 27, 25, 23, 21,  //
                                             19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
  for (size_t i = 0; i < kCount; i += 32) {
    __m512i low = round_to_bfloat16(_mm512_loadu_ps(from + i));
    __m512i high = round_to_bfloat16(_mm512_loadu_ps(from + i + 16));
    _mm512_storeu_si512(to + i, _mm512_permutex2var_epi16(low, odd_words, high));
  }
}

}  // namespace
}  // namespace metal_sgd

#define METAL_SGD_KERNELS kAvx512Kernels
#define METAL_SGD_KERNELS_NAME "AVX-512"
#include "kernels.inc"
