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
  for (size_t i = 0; i < kCount; i += 16) {
    __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i));
    __m512i bits = _mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16);
    _mm512_storeu_ps(to + i, _mm512_castsi512_ps(bits));
  }
}

template <size_t kCount>
void narrow(const float (&from)[kCount], Bfloat16* to) {
  for (size_t i = 0; i < kCount; i += 16) {
    __m512 value = _mm512_loadu_ps(from + i);
    __m512i bits = _mm512_castps_si512(value), upper = _mm512_srli_epi32(bits, 16);
    __m512i even = _mm512_and_si512(upper, _mm512_set1_epi32(1));
    __m512i half = _mm512_add_epi32(even, _mm512_set1_epi32(0x7fff));
    __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, half), 16);
    __mmask16 is_nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
    __m512i kept = _mm512_mask_or_epi32(rounded, is_nan, upper, _mm512_set1_epi32(0x40));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), _mm512_cvtepi32_epi16(kept));
  }
}

}  // namespace
}  // namespace metal_sgd

#define METAL_SGD_KERNELS kAvx512Kernels
#define METAL_SGD_KERNELS_NAME "AVX-512"
#include "kernels.inc"
