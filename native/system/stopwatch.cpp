// The system's clock.
#include "stopwatch.h"

#include <chrono>

namespace metal_sgd {

namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

Stopwatch::Stopwatch() : start_(Clock::now().time_since_epoch().count()) {}

double Stopwatch::seconds(size_t) const {
  Clock::duration start(start_);
  return std::chrono::duration<double>(Clock::now().time_since_epoch() - start).count();
}

}  // namespace metal_sgd
