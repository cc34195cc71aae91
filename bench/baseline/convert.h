// Conversions of 16-bit floats, a block at a time: compilers don't vectorize them well by
// themselves.
#ifndef METAL_SGD_BENCH_CONVERT_H_
#define METAL_SGD_BENCH_CONVERT_H_

#include <stdint.h>
#include <string.h>

#if defined(__F16C__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { kBlock = 16 };
#else
enum { kBlock = 8 };
#endif
typedef float FloatBlock __attribute__((vector_size(4 * kBlock)));
typedef uint32_t BitsBlock __attribute__((vector_size(4 * kBlock)));
typedef uint16_t ItemBlock __attribute__((vector_size(2 * kBlock), aligned(2)));

static inline float widen_bfloat16(uint16_t item) {
  uint32_t bits = (uint32_t)item << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// To nearest even; a NaN stays one.
static inline uint16_t narrow_bfloat16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  uint32_t quiet = (bits >> 16) | 0x40u;
  return (uint16_t)(value != value ? quiet : rounded);
}

static inline float widen_float16(uint16_t item) {
  _Float16 half;
  memcpy(&half, &item, sizeof half);
  return (float)half;
}

static inline uint16_t narrow_float16(float value) {
  _Float16 half = (_Float16)value;
  uint16_t item;
  memcpy(&item, &half, sizeof item);
  return item;
}

#if defined(__AVX512F__)
static inline FloatBlock widen_bfloat16_block(ItemBlock items) {
  return (FloatBlock)_mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)items), 16);
}
static inline ItemBlock narrow_bfloat16_block(FloatBlock values) {
  BitsBlock bits = (BitsBlock)values;
  BitsBlock rounded = bits + (((bits >> 16) & 1u) + 0x7fffu);
  __mmask16 is_nan = _mm512_cmp_ps_mask((__m512)values, (__m512)values, _CMP_UNORD_Q);
  __m512i quiet = _mm512_set1_epi32(0x400000);
  __m512i kept = _mm512_mask_or_epi32((__m512i)rounded, is_nan, (__m512i)bits, quiet);
  return (ItemBlock)_mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16));
}
static inline FloatBlock widen_float16_block(ItemBlock items) {
  return (FloatBlock)_mm512_cvtph_ps((__m256i)items);
}
static inline ItemBlock narrow_float16_block(FloatBlock values) {
  return (ItemBlock)_mm512_cvtps_ph((__m512)values, _MM_FROUND_TO_NEAREST_INT);
}
#elif defined(__AVX2__) && defined(__F16C__)
static inline FloatBlock widen_bfloat16_block(ItemBlock items) {
  return (FloatBlock)_mm256_slli_epi32(_mm256_cvtepu16_epi32((__m128i)items), 16);
}
static inline ItemBlock narrow_bfloat16_block(FloatBlock values) {
  BitsBlock bits = (BitsBlock)values;
  BitsBlock rounded = bits + (((bits >> 16) & 1u) + 0x7fffu);
  __m256 is_nan = _mm256_cmp_ps((__m256)values, (__m256)values, _CMP_UNORD_Q);
  __m256 kept = _mm256_blendv_ps((__m256)rounded, (__m256)(bits | 0x400000u), is_nan);
  __m256i upper = _mm256_srli_epi32((__m256i)kept, 16);
  return (ItemBlock)_mm_packus_epi32(_mm256_castsi256_si128(upper),
                                     _mm256_extracti128_si256(upper, 1));
}
static inline FloatBlock widen_float16_block(ItemBlock items) {
  return (FloatBlock)_mm256_cvtph_ps((__m128i)items);
}
static inline ItemBlock narrow_float16_block(FloatBlock values) {
  return (ItemBlock)_mm256_cvtps_ph((__m256)values, _MM_FROUND_TO_NEAREST_INT);
}
#else
typedef _Float16 HalfBlock __attribute__((vector_size(2 * kBlock)));
static inline FloatBlock widen_bfloat16_block(ItemBlock items) {
  return (FloatBlock)(__builtin_convertvector(items, BitsBlock) << 16);
}
static inline ItemBlock narrow_bfloat16_block(FloatBlock values) {
  BitsBlock bits = (BitsBlock)values, is_nan = (BitsBlock)(values != values);
  BitsBlock rounded = bits + (((bits >> 16) & 1u) + 0x7fffu);
  BitsBlock kept = (rounded & ~is_nan) | ((bits | 0x400000u) & is_nan);
  return __builtin_convertvector(kept >> 16, ItemBlock);
}
static inline FloatBlock widen_float16_block(ItemBlock items) {
  return __builtin_convertvector((HalfBlock)items, FloatBlock);
}
static inline ItemBlock narrow_float16_block(FloatBlock values) {
  return (ItemBlock) __builtin_convertvector(values, HalfBlock);
}
#endif

#endif  // METAL_SGD_BENCH_CONVERT_H_
