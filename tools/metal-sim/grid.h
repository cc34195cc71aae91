// The simulated GPU's cores: host threads that run the thread-groups of a grid in shuffled order.
#ifndef METAL_SGD_TEST_METAL_SIM_GRID_H_
#define METAL_SGD_TEST_METAL_SIM_GRID_H_

#include <cstdint>
#include <functional>

namespace metal_sim {

/// Calls `run(core, first, last)` for every thread-group, each once, on `cores` host threads.
/// One grid at a time; others wait.
void run_grid(uint64_t threads, uint32_t group, int cores, uint64_t seed,
              const std::function<void(int core, uint32_t first, uint32_t last)>& run);

}  // namespace metal_sim

#endif  // METAL_SGD_TEST_METAL_SIM_GRID_H_
