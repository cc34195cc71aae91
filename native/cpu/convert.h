// 16-bit floats to float32 and back, in integer arithmetic that any compiler vectorizes.
// Rounds to nearest even; a NaN stays a NaN. No operation meets a float32 subnormal, so that the
// floating-point mode (flushed or not) changes nothing.
#ifndef METAL_SGD_CPU_CONVERT_H_
#define METAL_SGD_CPU_CONVERT_H_

#include <cstdint>
#include <cstring>

namespace metal_sgd {
namespace {  // files compiled for different instruction sets must never share one copy

/// A 16-bit item in memory.
struct Float16 {
  uint16_t bits;
};
struct Bfloat16 {
  uint16_t bits;
};

inline float float_of_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline uint32_t bits_of_float(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

template <typename Item>
Item from_float(float value);

inline float to_float(Bfloat16 item) { return float_of_bits(uint32_t{item.bits} << 16); }

/// For results of the rule only. Their NaNs come from 16-bit items or from the processor: the lower
/// half is zero, so that rounding keeps them.
template <>
inline Bfloat16 from_float<Bfloat16>(float value) {
  uint32_t bits = bits_of_float(value);
  return {static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
}

inline float to_float(Float16 item) {
  uint32_t half = item.bits;
  uint32_t sign = (half & 0x8000u) << 16;
  uint32_t shifted = (half & 0x7fffu) << 13;
  uint32_t exponent = shifted & 0x0f800000u;
  uint32_t normal = shifted + 0x38000000u;   // exponent bias 127 - 15
  uint32_t special = shifted + 0x70000000u;  // infinity and NaN keep all exponent bits set
  // A subnormal half is m * 2^-24: give it the exponent of 2^-14 and take the hidden bit away.
  uint32_t tiny = bits_of_float(float_of_bits(shifted + 0x38800000u) - float_of_bits(0x38800000u));
  uint32_t magnitude = exponent == 0x0f800000u ? special : exponent == 0 ? tiny : normal;
  return float_of_bits(sign | magnitude);
}

template <>
inline Float16 from_float<Float16>(float value) {
  uint32_t bits = bits_of_float(value);
  uint32_t sign = (bits >> 16) & 0x8000u;
  uint32_t magnitude = bits & 0x7fffffffu;
  // Normal halves: rebias, then round at bit 13; a carry moves on to the exponent as it must.
  uint32_t normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  // Below 2^-14: adding 0.5 makes the float unit round at 2^-24, nearest even.
  uint32_t tiny =
      bits_of_float(float_of_bits(magnitude < 0x38800000u ? magnitude : 0u) + 0.5f) - 0x3f000000u;
  uint32_t special = magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u;
  uint32_t half = magnitude >= 0x477ff000u ? special : magnitude < 0x38800000u ? tiny : normal;
  return {static_cast<uint16_t>(sign | half)};
}

}  // namespace
}  // namespace metal_sgd

#endif  // METAL_SGD_CPU_CONVERT_H_
