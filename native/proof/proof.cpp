#include "proof.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>
#include <map>
#include <mutex>

#include "self_test.h"

namespace metal_sgd {

namespace {

struct Found {
  std::mutex mutex;
  std::map<Dtype, Comparison> comparisons;
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

}  // namespace

bool prove_gpu(const std::vector<Dtype>& dtypes) {
  std::lock_guard<std::mutex> lock(found().mutex);
  bool is_exact = true;
  for (Dtype dtype : dtypes) {
    auto known = found().comparisons.find(dtype);
    if (known == found().comparisons.end())
      known =
          found().comparisons.emplace(dtype, on_scratch([=] { return self_test(dtype); })).first;
    const auto& [match, difference] = known->second;
    if (match == Match::kSubnormals) is_exact = false;
    if (match != Match::kDifferent) continue;
    throw GpuFailure(GpuError::kSelfTest, std::string("this GPU does not compute ") +
                                              kDtypeNames[static_cast<int>(dtype)] +
                                              " as the CPU does (" + difference + ")");
  }
  return is_exact;
}

double gpu_crossover_bytes() {
  std::lock_guard<std::mutex> lock(found().mutex);
  if (found().crossover < 0) found().crossover = on_scratch(measure_crossover);
  return found().crossover;
}

}  // namespace metal_sgd
