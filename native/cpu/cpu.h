// The CPU as the rest of the addon sees it, besides its backend.
#ifndef METAL_SGD_CPU_CPU_H_
#define METAL_SGD_CPU_CPU_H_

#include <memory>
#include <string>
#include <vector>

#include "backend.h"

namespace metal_sgd {

/// Spans of sums: each run writes the sum of the gradients to the parameter's stream, which may be
/// the first of them.
std::unique_ptr<Prepared> prepare_sums(const std::vector<Span>& spans);

/// True if all gradients of one leaf of the span are finite, as a step measures them.
bool is_finite(const Span& span, const LeafRun& leaf, const StepSettings& settings);

/// Names of the instruction sets that this processor can run, the fastest first.
std::vector<const char*> cpu_instruction_sets();
/// Takes one of them for all later steps of the process; false if there is none of that name.
bool choose_cpu_instruction_set(const std::string& name);

/// Threads that work on a step, the caller's among them.
int cpu_threads();
void set_cpu_threads(int count);

}  // namespace metal_sgd

#endif  // METAL_SGD_CPU_CPU_H_
