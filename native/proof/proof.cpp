#include "proof.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <optional>

#include "self_test.h"

namespace metal_sgd {

namespace {

/// What a self-test found out, or why it could not.
struct Proved {
  bool is_exact;
  std::optional<GpuFailure> refusal;
};

struct Found {
  std::mutex mutex;
  std::map<std::pair<Feature, Dtype>, Proved> proofs;
  double crossover = -1;
};

Found& found() {
  static Found* all = new Found;  // leaked: asynchronous steps may outlive static destructors
  return *all;
}

double seconds_of(const std::function<void()>& work) {
  auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

constexpr int kRepeats = 3;
constexpr int kSubmitRepeats = 20;  // each is short, and a busy machine delays most of them
StepSettings ordinary() { return {{0.1, 0.9, 0, 0, false}, Subnormals::kFlush}; }

/// Arrays in ordinary memory for a step of `count` float32 elements.
struct Scratch {
  explicit Scratch(size_t count) : w(count), g(count), v(count) {}
  Span span() {
    Span span;
    span.streams[kParameter] = {w.data(), Dtype::kFloat32};
    span.streams[kVelocity] = {v.data(), Dtype::kFloat32};
    span.gradients = {{g.data(), Dtype::kFloat32}};
    span.count = w.size();
    return span;
  }
  std::vector<float> w, g, v;
};

/// Seconds that a step takes from call to return if it has next to nothing to do.
double submit_seconds() {
  Scratch scratch(64);
  auto step = gpu_backend()->prepare({scratch.span()});
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kSubmitRepeats; i++)
    best = std::min(best, seconds_of([&] { step->run(ordinary()); }));
  return best;
}

double measure_crossover() {
  Scratch scratch(size_t{4} << 20);
  double bytes = static_cast<double>(traffic(scratch.span()));
  auto gpu = gpu_backend()->prepare({scratch.span()});
  auto cpu = cpu_backend().prepare({scratch.span()});
  double gpu_best = std::numeric_limits<double>::infinity(), cpu_best = gpu_best;
  for (int i = 0; i < kRepeats; i++) {
    gpu_best = std::min(gpu_best, gpu->run(ordinary()).gpu_seconds);
    cpu_best = std::min(cpu_best, seconds_of([&] { cpu->run(ordinary()); }));
  }
  double gain_per_byte = (cpu_best - gpu_best) / bytes;
  return gain_per_byte > 0 ? submit_seconds() / gain_per_byte
                           : std::numeric_limits<double>::infinity();
}

/// Runs work on arrays of our own: if it fails, nothing of the caller's was written.
template <typename Work>
auto on_scratch(Work work) {
  try {
    return work();
  } catch (const GpuFailure& failure) {
    throw GpuFailure(failure.error, failure.reason);
  }
}

Proved prove(Dtype dtype, Feature feature) {
  constexpr Comparison (*kTests[])(Dtype) = {test_plain, test_general, test_division, test_measure,
                                             test_coefficient};
  constexpr const char* kWhat[] = {"", " steps that are not plain", " means of that many gradients",
                                   " norms of gradients", " the coefficient of clipping"};
  Comparison compared;
  try {
    compared = kTests[static_cast<int>(feature)](dtype);
  } catch (const GpuFailure& failure) {
    // Plain steps try again later. Beside those that work, each try of others would cost them time.
    if (feature == Feature::kPlain || failure.error != GpuError::kCompile) throw;
    return {false, GpuFailure(failure.error, failure.reason)};
  }
  const auto& [match, difference] = compared;
  if (match != Match::kDifferent) return {match == Match::kExact, {}};
  std::string text = std::string("this GPU does not compute ") +
                     kDtypeNames[static_cast<int>(dtype)] + kWhat[static_cast<int>(feature)] +
                     " as the CPU does (" + difference + ")";
  return {false, GpuFailure(GpuError::kSelfTest, text)};
}

}  // namespace

bool prove_gpu(const std::vector<Dtype>& dtypes, Feature feature) {
  std::lock_guard<std::mutex> lock(found().mutex);
  bool is_exact = true;
  for (Dtype dtype : dtypes) {
    auto known = found().proofs.find({feature, dtype});
    if (known == found().proofs.end()) {
      Proved proved = on_scratch([=] { return prove(dtype, feature); });
      known = found().proofs.emplace(std::pair(feature, dtype), proved).first;
    }
    if (known->second.refusal) throw *known->second.refusal;
    is_exact = is_exact && known->second.is_exact;
  }
  return is_exact;
}

double gpu_crossover_bytes() {
  std::lock_guard<std::mutex> lock(found().mutex);
  if (found().crossover < 0) found().crossover = on_scratch(measure_crossover);
  return found().crossover;
}

}  // namespace metal_sgd
