#include "clock.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>

namespace metal_sim {
namespace {

constexpr double kCpuBytesPerSecond = 20e9;
/// Of one dispatch: 0.6 us of the host and 2 of the GPU.
constexpr double kDispatchSeconds = 2.6e-6;
/// Others saw memory unwired after 1 to 1.2 s; timers may fire early.
constexpr double kIdleSeconds = 0.9;
/// Steps on the GPU that a cold start delays, each half as long as the one before.
constexpr int kColdSteps = 3;

using Real = std::chrono::steady_clock;

double real_seconds() {
  return std::chrono::duration<double>(Real::now().time_since_epoch()).count();
}

std::atomic<uint64_t> overhead{0};  // nanoseconds of all command buffers, beside their traffic
std::atomic<double> idle_since{INFINITY};
std::atomic<int> gpu_steps{0};

}  // namespace

void clock_commit(size_t dispatches, const Settings& settings) {
  if (!settings.clock) return;
  double seconds = settings.clock->latency + static_cast<double>(dispatches) * kDispatchSeconds;
  if (real_seconds() - idle_since > kIdleSeconds) seconds += settings.clock->idlePenalty;
  overhead += std::max<uint64_t>(1, std::llround(seconds * 1e9));
}

void clock_complete() { idle_since = real_seconds(); }

void clock_restart() { gpu_steps = 0; }

uint64_t clock_overhead() { return overhead; }

/// A step ran on the GPU if command buffers were committed meanwhile.
double clock_seconds(uint64_t since, size_t traffic, const Clock& clock) {
  double moved = static_cast<double>(traffic) / kCpuBytesPerSecond;
  uint64_t more = overhead - since;
  if (more == 0) return moved;
  int before = gpu_steps++;
  double cold = before < kColdSteps ? clock.coldStart / std::exp2(before) : 0;
  return static_cast<double>(more) * 1e-9 + cold + moved / clock.speed;
}

}  // namespace metal_sim
