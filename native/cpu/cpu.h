// The CPU backend: works in place on the caller's memory, whatever its alignment.
#ifndef METAL_SGD_CPU_CPU_H_
#define METAL_SGD_CPU_CPU_H_

#include <string>

#include "backend.h"

namespace metal_sgd {

std::unique_ptr<PreparedStep> prepare_cpu_step(const std::vector<Run>& runs);

/// Names of the instruction sets this processor can run, the fastest first.
std::vector<const char*> cpu_instruction_sets();
/// Takes one of them for all later steps of the process; false if there is none of that name.
bool choose_cpu_instruction_set(const std::string& name);

/// Threads of the process's pool that work on a step, the caller's among them.
int cpu_threads();
void set_cpu_threads(int count);

}  // namespace metal_sgd

#endif  // METAL_SGD_CPU_CPU_H_
