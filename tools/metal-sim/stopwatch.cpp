// The addon's stopwatch over the simulated clock, if that is set. Compiled into the addon.
#include "system/stopwatch.h"

#include <chrono>

#include "clock.h"

namespace metal_sgd {

using Real = std::chrono::steady_clock;

Stopwatch::Stopwatch()
    : start_(metal_sim::settings()->clock ? metal_sim::clock_overhead()
                                          : Real::now().time_since_epoch().count()) {}

double Stopwatch::seconds(size_t traffic) const {
  std::shared_ptr<const metal_sim::Settings> settings = metal_sim::settings();
  if (settings->clock) return metal_sim::clock_seconds(start_, traffic, *settings->clock);
  Real::duration start(start_);
  return std::chrono::duration<double>(Real::now().time_since_epoch() - start).count();
}

}  // namespace metal_sgd
