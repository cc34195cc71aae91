// The norm on the GPU against the CPU, to the bit, over the interface of backends alone.
#include <deque>

#include "self_test.h"
#include "values.h"

namespace metal_sgd {

namespace {

/// Elements of the leaves of one span, and the padding after each.
constexpr size_t kLeaves[] = {1, 31, 33, 4096, 4097, 9000};
constexpr size_t kPadding = 64;
constexpr int kNorms = 48;

struct Stepped {
  std::vector<char> parameter;
  Report report;
};

/// The bits of an ordinary number: of moderate size, so that no square is subnormal or infinite.
uint32_t ordinary(Dtype dtype, uint32_t bits) {
  if (dtype == Dtype::kFloat32) return (bits & 0x807fffffu) | (100 + (bits >> 8) % 40) << 23;
  uint32_t high = bits >> 16;
  if (dtype == Dtype::kBfloat16) return (high & 0x807fu) | (100 + high % 40) << 7;
  return (high & 0x83ffu) | (1 + high % 29) << 10;
}

void push_bits(std::vector<char>& stream, Dtype dtype, uint32_t bits) {
  if (item_size(dtype) == 4) return push(stream, bits);
  push(stream, static_cast<uint16_t>(bits));
}

/// Gradients of the leaves; the padding holds NaN, which nothing may read.
std::vector<char> gradient(Dtype dtype, const std::vector<size_t>& leaves) {
  constexpr uint32_t kNan[] = {0x7fc00000u, 0, 0x7e00u, 0x7fc0u};
  Generator bits;
  std::vector<char> stream;
  for (size_t count : leaves) {
    for (size_t i = 0; i < count; i++) push_bits(stream, dtype, ordinary(dtype, bits.next()));
    for (size_t i = 0; i < kPadding; i++) push_bits(stream, dtype, kNan[static_cast<int>(dtype)]);
  }
  return stream;
}

Stepped stepped(Backend& backend, Dtype dtype, const std::vector<size_t>& leaves,
                const StepSettings& settings, bool spoils) {
  std::vector<char> g = gradient(dtype, leaves), w(g.size());
  if (spoils) std::memset(g.data(), 0xff, item_size(dtype));  // NaN
  ScratchArena parameters(w, 0, 1), gradients(g, 0, 2);
  Span span;
  span.streams[kParameter] = parameters.stream(dtype);
  span.gradients = {gradients.stream(dtype)};
  size_t first = 0;
  for (size_t count : leaves) {
    span.leaves.push_back({first, count, span.leaves.size()});
    first += count + kPadding;
  }
  span.count = first;
  Report report = backend.prepare({span}, true)->run(settings);
  parameters.copy_to(w);
  return {w, report};
}

StepSettings settings_of(const Around& around, Subnormals subnormals, bool host_norm) {
  StepSettings settings{{1, 0, 0, 0, false}, subnormals};
  settings.around = around;
  settings.host_norm = host_norm;
  return settings;
}

std::vector<char> numbers_of(const Report& report) {
  std::vector<char> stream;
  push(stream, static_cast<float>(report.measure.norm));
  push(stream, static_cast<float>(report.measure.largest));
  push(stream, static_cast<float>(report.verdict));
  return stream;
}

void compare(Dtype dtype, const std::vector<size_t>& leaves, const Around& around, bool host_norm,
             bool spoils, Comparison& found) {
  auto on = [&](Backend& backend, Subnormals subnormals) {
    return stepped(backend, dtype, leaves, settings_of(around, subnormals, host_norm), spoils);
  };
  Stepped flushed = on(cpu_backend(), Subnormals::kFlush);
  Stepped kept = on(cpu_backend(), Subnormals::kKeep);
  Stepped on_gpu = on(*gpu_backend(), Subnormals::kFlush);
  compare_streams(Dtype::kFloat32, "norm", numbers_of(flushed.report), numbers_of(kept.report),
                  numbers_of(on_gpu.report), found);
  compare_streams(dtype, "parameter", flushed.parameter, kept.parameter, on_gpu.parameter, found);
}

Around clipped(double max_norm, double scale = 1) { return {1, scale, 0, 0, max_norm}; }

}  // namespace

Comparison test_measure(Dtype dtype) {
  Comparison found;
  std::vector<size_t> leaves(std::begin(kLeaves), std::end(kLeaves));
  Around skips = clipped(1);
  skips.non_finite = NonFinite::kSkip;
  for (bool spoils : {false, true}) {
    compare(dtype, leaves, clipped(1), true, spoils, found);
    compare(dtype, leaves, clipped(1e30), true, spoils, found);
    compare(dtype, leaves, clipped(0.5, 1.25), true, spoils, found);
    compare(dtype, leaves, skips, true, spoils, found);
  }
  return found;
}

/// Many norms: each gives one root and one quotient.
Comparison test_coefficient(Dtype dtype) {
  Comparison found;
  for (int i = 0; i < kNorms; i++) {
    // No power of two: times its reciprocal would be right.
    Around around = clipped(0.37 + i / 29.0, 1 + i / 37.0);
    compare(dtype, {40}, around, false, i == kNorms - 1, found);
  }
  Around error = clipped(1e30);
  error.non_finite = NonFinite::kError;
  compare(dtype, {40}, error, false, false, found);
  compare(dtype, {40}, error, false, true, found);
  return found;
}

}  // namespace metal_sgd
