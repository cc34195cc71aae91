// Proves, once per process and dtype, that the device computes what the CPU rule does, to the bit.
// Plain C++ over the two backends: only `prepare_gpu_step` knows Metal.
#include "self_test.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

#include "cpu/cpu.h"
#include "metal/metal.h"

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

/// float32: every pair of special values, subnormals and their neighbours among them, then numbers
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

/// 16-bit dtypes: every bit pattern as the parameter, with the gradient that is the last place of
/// it: learning rates around one half then land on every tie and beside it.
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

Run run_over(char* w, const char* g, char* v, size_t bytes, Dtype dtype) {
  return {w, g, v, bytes / item_size(dtype), dtype};
}

/// Whole pages with a copy of a stream, `skip` bytes in, as an arena of its own.
class ScratchArena {
 public:
  ScratchArena(const std::vector<char>& stream, size_t skip, uint64_t id) {
    size_t bytes = (stream.size() + skip + kPage - 1) / kPage * kPage;
    arena_ = {id, static_cast<char*>(std::aligned_alloc(kPage, bytes)), bytes};
    if (!arena_.pages) throw std::bad_alloc();
    data_ = arena_.pages + skip;
    std::memcpy(data_, stream.data(), stream.size());
  }
  ~ScratchArena() { std::free(arena_.pages); }
  ScratchArena(const ScratchArena&) = delete;
  ScratchArena& operator=(const ScratchArena&) = delete;

  char* data() { return data_; }
  const Arena* arena() const { return &arena_; }
  void copy_to(std::vector<char>& stream) const {
    std::memcpy(stream.data(), data_, stream.size());
  }

 private:
  static constexpr size_t kPage = 16384;
  Arena arena_;
  char* data_;
};

bool is_nan(Dtype dtype, uint32_t bits) {
  if (dtype == Dtype::kFloat32) return (bits & 0x7fffffffu) > 0x7f800000u;
  return (bits & 0x7fffu) > (dtype == Dtype::kFloat16 ? 0x7c00u : 0x7f80u);
}

uint32_t bits_at(const std::vector<char>& stream, Dtype dtype, size_t index) {
  uint32_t bits = 0;
  std::memcpy(&bits, stream.data() + index * item_size(dtype), item_size(dtype));
  return bits;
}

/// The first element in which two streams differ, as words; empty if none. Any NaN equals any NaN.
std::string first_difference(Dtype dtype, const char* name, const std::vector<char>& expected,
                             const std::vector<char>& received) {
  for (size_t i = 0; i < expected.size() / item_size(dtype); i++) {
    uint32_t want = bits_at(expected, dtype, i), got = bits_at(received, dtype, i);
    if (want == got || (is_nan(dtype, want) && is_nan(dtype, got))) continue;
    char text[120];
    std::snprintf(text, sizeof text, "%s of element %zu: expected bits 0x%x, received 0x%x", name,
                  i, want, got);
    return text;
  }
  return "";
}

/// One step on both; `skip` bytes before every stream choose the vector path (0) or the scalar one.
std::string compare(Dtype dtype, const Hyperparameters& given, size_t skip) {
  Streams on_cpu = streams_for(dtype), on_gpu = on_cpu;
  size_t bytes = on_cpu.w.size();
  prepare_cpu_step({run_over(on_cpu.w.data(), on_cpu.g.data(), on_cpu.v.data(), bytes, dtype)})
      ->run({given, Subnormals::kFlush});
  {
    // Ids that no arena of TypeScript's, whose ids are random, is likely to have.
    ScratchArena w(on_gpu.w, skip, 1), g(on_gpu.g, skip, 2), v(on_gpu.v, skip, 3);
    Run run = run_over(w.data(), g.data(), v.data(), bytes, dtype);
    prepare_gpu_step({{run, w.arena(), g.arena(), v.arena()}})->run(given);
    w.copy_to(on_gpu.w);
    v.copy_to(on_gpu.v);
  }
  std::string text = first_difference(dtype, "parameter", on_cpu.w, on_gpu.w);
  return text.empty() ? first_difference(dtype, "velocity", on_cpu.v, on_gpu.v) : text;
}

}  // namespace

std::string self_test(Dtype dtype) {
  const Hyperparameters cases[] = {{0.5, 0, 0, 0, false},
                                   {0.49999997, 0, 1e-4, 0, false},
                                   {0.50000006, 0.9, 0, 0, false},
                                   {0.5, 0.9, 0.01, 0.3, false},
                                   {0.1, 0.95, 1e-4, 0, true}};
  for (const Hyperparameters& given : cases) {
    for (size_t skip : {size_t{0}, item_size(dtype)}) {
      std::string text = compare(dtype, given, skip);
      if (!text.empty()) return text;
    }
  }
  return "";
}

}  // namespace metal_sgd
