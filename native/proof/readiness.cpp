// What is found out about the GPU once per process: whether it computes rightly, and from which
// size on it is faster. Plain C++ over the two backends.
#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>
#include <map>
#include <mutex>

#include "cpu/cpu.h"
#include "metal/metal.h"
#include "self_test.h"

namespace metal_sgd {

namespace {

const char* const kNames[kDtypes] = {"float32", "float64", "float16", "bfloat16"};

struct Found {
  std::mutex mutex;
  std::map<Dtype, std::string> differences;  // empty text: the dtype was proved
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
constexpr Hyperparameters kOrdinary{0.1, 0.9, 0, 0, false};
constexpr size_t kTrafficPerElement = 20;

/// Arrays in ordinary memory for a step of `count` float32 elements.
struct Scratch {
  explicit Scratch(size_t count) : w(count), g(count), v(count) {}
  Run run() { return {w.data(), g.data(), v.data(), w.size(), Dtype::kFloat32}; }
  std::vector<float> w, g, v;
};

/// Seconds from asking to having, for a step so small that its work is nothing.
double submit_seconds() {
  Scratch scratch(64);
  auto step = prepare_gpu_step({{scratch.run(), nullptr, nullptr, nullptr}});
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kSubmitRepeats; i++)
    best = std::min(best, seconds_of([&] { step->run(kOrdinary); }));
  return best;
}

double measure_crossover() {
  Scratch scratch(size_t{4} << 20);
  double bytes = static_cast<double>(scratch.w.size() * kTrafficPerElement);
  auto gpu = prepare_gpu_step({{scratch.run(), nullptr, nullptr, nullptr}});
  auto cpu = prepare_cpu_step({scratch.run()});
  double gpu_best = std::numeric_limits<double>::infinity(), cpu_best = gpu_best;
  for (int i = 0; i < kRepeats; i++) {
    gpu->run(kOrdinary);
    gpu_best = std::min(gpu_best, gpu->gpu_seconds());
    cpu_best = std::min(cpu_best, seconds_of([&] { cpu->run({kOrdinary, Subnormals::kFlush}); }));
  }
  double gain_per_byte = (cpu_best - gpu_best) / bytes;
  return gain_per_byte > 0 ? submit_seconds() / gain_per_byte
                           : std::numeric_limits<double>::infinity();
}

/// For work on arrays of our own: where it fails, nothing of the caller's was written.
template <typename Work>
auto on_scratch(Work work) {
  try {
    return work();
  } catch (const MetalFailure& failure) {
    throw MetalFailure(failure.code, failure.reason);
  }
}

}  // namespace

void make_gpu_ready(const std::vector<Dtype>& dtypes) {
  std::lock_guard<std::mutex> lock(found().mutex);
  for (Dtype dtype : dtypes) {
    auto known = found().differences.find(dtype);
    if (known == found().differences.end())
      known =
          found().differences.emplace(dtype, on_scratch([=] { return self_test(dtype); })).first;
    if (known->second.empty()) continue;
    throw MetalFailure("self-test", std::string("this GPU does not compute ") +
                                        kNames[static_cast<int>(dtype)] + " as the CPU does (" +
                                        known->second + ")");
  }
}

double gpu_crossover_bytes() {
  std::lock_guard<std::mutex> lock(found().mutex);
  if (found().crossover < 0) found().crossover = on_scratch(measure_crossover);
  return found().crossover;
}

}  // namespace metal_sgd
