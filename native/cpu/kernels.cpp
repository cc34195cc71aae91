// Which instruction set the loops use.
#include <atomic>

#include "cpu.h"
#include "loops.h"

namespace metal_sgd {

static std::atomic<const CpuKernels*> chosen_kernels{nullptr};

const CpuKernels& present_cpu_kernels() {
  const CpuKernels* chosen = chosen_kernels.load(std::memory_order_relaxed);
  return chosen ? *chosen : *cpu_kernels().front();
}

std::vector<const char*> cpu_instruction_sets() {
  std::vector<const char*> names;
  for (const CpuKernels* set : cpu_kernels()) names.push_back(set->name);
  return names;
}

bool choose_cpu_instruction_set(const std::string& name) {
  for (const CpuKernels* set : cpu_kernels()) {
    if (name != set->name) continue;
    chosen_kernels = set;
    return true;
  }
  return false;
}

}  // namespace metal_sgd
