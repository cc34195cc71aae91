// What a step takes by the simulated clock, which the addon's stopwatch shows: the real time of a
// simulated GPU means nothing.
#ifndef METAL_SGD_TEST_METAL_SIM_CLOCK_H_
#define METAL_SGD_TEST_METAL_SIM_CLOCK_H_

#include <cstddef>
#include <cstdint>

#include "settings.h"

namespace metal_sim {

/// A command buffer with so many dispatches is committed.
void clock_commit(size_t dispatches, const Settings& settings);
/// A command buffer has completed: the GPU is idle from now on.
void clock_complete();
/// The next steps on the GPU are the first ones again.
void clock_restart();

/// Nanoseconds of all command buffers so far, beside what they move.
uint64_t clock_overhead();
/// Seconds that a step of so many bytes took which began when the overhead was `since`.
double clock_seconds(uint64_t since, size_t traffic, const Clock& clock);

}  // namespace metal_sim

#endif  // METAL_SGD_TEST_METAL_SIM_CLOCK_H_
