// The CPU as the rest of the addon sees it, besides its backend.
#ifndef METAL_SGD_CPU_CPU_H_
#define METAL_SGD_CPU_CPU_H_

#include <string>
#include <vector>

namespace metal_sgd {

/// Names of the instruction sets that this processor can run, the fastest first.
std::vector<const char*> cpu_instruction_sets();
/// Takes one of them for all later steps of the process; false if there is none of that name.
bool choose_cpu_instruction_set(const std::string& name);

/// Threads that work on a step, the caller's among them.
int cpu_threads();
void set_cpu_threads(int count);

}  // namespace metal_sgd

#endif  // METAL_SGD_CPU_CPU_H_
