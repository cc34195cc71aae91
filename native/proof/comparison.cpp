#include "comparison.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

namespace metal_sgd {

namespace {

bool is_nan(Dtype dtype, uint32_t bits) {
  if (dtype == Dtype::kFloat32) return (bits & 0x7fffffffu) > 0x7f800000u;
  return (bits & 0x7fffu) > (dtype == Dtype::kFloat16 ? 0x7c00u : 0x7f80u);
}

uint32_t bits_at(const std::vector<char>& stream, Dtype dtype, size_t index) {
  uint32_t bits = 0;
  std::memcpy(&bits, stream.data() + index * item_size(dtype), item_size(dtype));
  return bits;
}

/// True if numbers that were flushed in one of them alone can make the whole difference: each is at
/// most 2^-126, and a step adds up few.
bool is_tiny_difference(Dtype dtype, uint32_t a_bits, uint32_t b_bits) {
  if (dtype == Dtype::kFloat16) return false;  // all of its numbers are normal in float32
  auto value = [&](uint32_t bits) {
    float number;
    if (dtype == Dtype::kBfloat16) bits <<= 16;
    std::memcpy(&number, &bits, sizeof number);
    return static_cast<double>(number);
  };
  return std::abs(value(a_bits) - value(b_bits)) <= 4.0 * std::numeric_limits<float>::min();
}

/// One element as the CPU computes it with subnormals flushed and with them kept, and as the GPU
/// does.
Match match_of(Dtype dtype, uint32_t flushed, uint32_t kept, uint32_t got) {
  if (got == flushed || (is_nan(dtype, flushed) && is_nan(dtype, got))) return Match::kExact;
  // The sign of a flushed number, and whether it is flushed before it is rounded, are the GPU's
  // own.
  bool is_subnormal = got == kept || is_tiny_difference(dtype, flushed, got);
  return is_subnormal ? Match::kSubnormals : Match::kDifferent;
}

}  // namespace

void compare_streams(Dtype dtype, const char* name, const std::vector<char>& flushed,
                     const std::vector<char>& kept, const std::vector<char>& received,
                     Comparison& found) {
  for (size_t i = 0; i < flushed.size() / item_size(dtype); i++) {
    uint32_t want = bits_at(flushed, dtype, i), got = bits_at(received, dtype, i);
    Match match = match_of(dtype, want, bits_at(kept, dtype, i), got);
    if (match <= found.match) continue;
    char text[120];
    std::snprintf(text, sizeof text, "%s of element %zu: expected bits 0x%x, received 0x%x", name,
                  i, want, got);
    found = {match, text};
  }
}

}  // namespace metal_sgd
