// Compares the GPU with the CPU to the bit, over the interface of backends alone.
#include "self_test.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

namespace metal_sgd {

namespace {

struct Streams {
  std::vector<char> w, g, v;
};

/// Appends one element of a 4- or 2-byte dtype.
template <typename Item>
void push(std::vector<char>& stream, Item item) {
  const char* bytes = reinterpret_cast<const char*>(&item);
  stream.insert(stream.end(), bytes, bytes + sizeof item);
}

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
  uint32_t state = 1;
  auto next = [&] { return state = state * 1664525u + 1013904223u; };
  for (int i = 0; i < 20000; i++) {
    push(streams.w, next());
    push(streams.g, next());
    push(streams.v, next());
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

Streams streams_for(Dtype dtype) {
  if (dtype == Dtype::kFloat32) return float32_streams();
  return dtype == Dtype::kFloat16 ? word_streams(5, 10) : word_streams(8, 7);
}

/// A copy of a stream in whole pages, `skip` bytes in: an arena of its own.
class ScratchArena {
 public:
  ScratchArena(const std::vector<char>& stream, size_t skip, uint64_t id) {
    size_t bytes = (stream.size() + skip + kArenaPage - 1) / kArenaPage * kArenaPage;
    memory_.resize(bytes + kArenaPage);  // one page more than needed, to begin on a boundary
    size_t past = reinterpret_cast<uintptr_t>(memory_.data()) % kArenaPage;
    arena_ = {id, memory_.data() + (kArenaPage - past) % kArenaPage, bytes};
    data_ = arena_.pages + skip;
    std::memcpy(data_, stream.data(), stream.size());
  }
  ScratchArena(const ScratchArena&) = delete;
  ScratchArena& operator=(const ScratchArena&) = delete;

  Stream stream(Dtype dtype) const { return {data_, dtype, &arena_}; }
  void copy_to(std::vector<char>& stream) const {
    std::memcpy(stream.data(), data_, stream.size());
  }

 private:
  std::vector<char> memory_;
  Arena arena_;
  char* data_;
};

Span span_over(Stream w, Stream g, Stream v, size_t bytes) {
  Span span;
  span.streams[kParameter] = w;
  span.streams[kVelocity] = v;
  span.gradients = {g};
  span.count = bytes / item_size(w.dtype);
  return span;
}

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

/// Adds the differences of one stream to those found so far. Any NaN equals any NaN.
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

Streams stepped_on_cpu(Dtype dtype, const StepSettings& settings) {
  Streams streams = streams_for(dtype);
  Span span = span_over({streams.w.data(), dtype}, {streams.g.data(), dtype},
                        {streams.v.data(), dtype}, streams.w.size());
  cpu_backend().prepare({span})->run(settings);
  return streams;
}

Streams stepped_on_gpu(Dtype dtype, const StepSettings& settings, size_t skip) {
  Streams streams = streams_for(dtype);
  // TypeScript's arenas have random ids, which are hardly these.
  ScratchArena w(streams.w, skip, 1), g(streams.g, skip, 2), v(streams.v, skip, 3);
  Span span = span_over(w.stream(dtype), g.stream(dtype), v.stream(dtype), streams.w.size());
  gpu_backend()->prepare({span})->run(settings);
  w.copy_to(streams.w);
  v.copy_to(streams.v);
  return streams;
}

}  // namespace

Comparison self_test(Dtype dtype) {
  const Hyperparameters cases[] = {{0.5, 0, 0, 0, false},
                                   {0.49999997, 0, 1e-4, 0, false},
                                   {0.50000006, 0.9, 0, 0, false},
                                   {0.5, 0.9, 0.01, 0.3, false},
                                   {0.1, 0.95, 1e-4, 0, true}};
  Comparison found;
  for (const Hyperparameters& given : cases) {
    Streams flushed = stepped_on_cpu(dtype, {given, Subnormals::kFlush});
    Streams kept = stepped_on_cpu(dtype, {given, Subnormals::kKeep});
    // Bytes before every stream choose the vector path (0) or the scalar one.
    for (size_t skip : {size_t{0}, item_size(dtype)}) {
      Streams on_gpu = stepped_on_gpu(dtype, {given, Subnormals::kFlush}, skip);
      compare_streams(dtype, "parameter", flushed.w, kept.w, on_gpu.w, found);
      compare_streams(dtype, "velocity", flushed.v, kept.v, on_gpu.v, found);
      if (found.match == Match::kDifferent) return found;
    }
  }
  return found;
}

}  // namespace metal_sgd
