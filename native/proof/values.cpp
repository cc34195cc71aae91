#include "values.h"

#include <limits>

namespace metal_sgd {

namespace {

/// Times 0.50000006 it is just below 2^-126, to which it rounds: flushed before that or after?
constexpr float kBorder =
    2 * std::numeric_limits<float>::min() * (1 - std::numeric_limits<float>::epsilon());

/// float32: every pair of special values, among them subnormals and their neighbours; then numbers
/// of all magnitudes from a fixed generator.
Streams float32_streams() {
  using Limits = std::numeric_limits<float>;
  const float special[] = {0.0f,
                           -0.0f,
                           1.0f,
                           -1.0f,
                           1.5f,
                           16777216.0f,
                           Limits::infinity(),
                           -Limits::infinity(),
                           Limits::quiet_NaN(),
                           Limits::max(),
                           -Limits::max(),
                           Limits::min(),
                           -Limits::min(),
                           Limits::denorm_min(),
                           -Limits::denorm_min(),
                           1e-39f,
                           -1e-39f,
                           1.1754945e-38f,
                           kBorder,
                           1e-20f};
  Streams streams;
  for (float w : special) {
    for (float g : special) {
      push(streams.w, w);
      push(streams.g, g);
      push(streams.v, -w);
    }
  }
  Generator bits;
  for (int i = 0; i < 20000; i++) {
    push(streams.w, bits.next());
    push(streams.g, bits.next());
    push(streams.v, bits.next());
  }
  return streams;
}

/// 16-bit dtypes: every bit pattern as the parameter, with its last place as the gradient. Learning
/// rates around one half then land on every tie and beside it.
Streams word_streams(int exponent_bits, int fraction_bits) {
  Streams streams;
  int highest = (1 << exponent_bits) - 1;
  for (int pattern = 0; pattern < 65536; pattern++) {
    int exponent = pattern >> fraction_bits & highest, place = exponent - fraction_bits;
    // The last place's own pattern: a power of two, subnormal where its exponent runs out.
    int last = place > 0                ? place << fraction_bits
               : place > -fraction_bits ? 1 << (fraction_bits - 1 + place)
                                        : 1;
    push(streams.w, static_cast<uint16_t>(pattern));
    push(streams.g, static_cast<uint16_t>(exponent == highest ? pattern : last));
    push(streams.v, static_cast<uint16_t>(pattern ^ 0x8000));
  }
  return streams;
}

}  // namespace

Streams streams_for(Dtype dtype) {
  if (dtype == Dtype::kFloat32) return float32_streams();
  return dtype == Dtype::kFloat16 ? word_streams(5, 10) : word_streams(8, 7);
}

}  // namespace metal_sgd
