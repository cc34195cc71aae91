// The update loops, one table per instruction set: each table is the same source, `loops.inc`,
// compiled with that set's flags.
#ifndef METAL_SGD_CPU_LOOPS_H_
#define METAL_SGD_CPU_LOOPS_H_

#include "backend.h"

namespace metal_sgd {

/// The hyperparameters, rounded for every dtype once per step.
struct StepParams {
  SgdParams<float> single;
  SgdParams<double> twofold;
};

/// Steps `run` in place, on the calling thread, in its present floating-point mode. `ask_ahead`:
/// asks for its memory before it is needed.
using StepFunction = void (*)(const Run& run, const StepParams& params, bool ask_ahead);

struct CpuKernels {
  const char* name;  ///< as `devices()` shows it
  StepFunction step[kDtypes];
};

/// What this processor can run, the fastest first; never empty.
const std::vector<const CpuKernels*>& cpu_kernels();

/// True if this processor gains by being asked ahead in steps too large for its caches.
bool gains_by_asking_ahead();

}  // namespace metal_sgd

#endif  // METAL_SGD_CPU_LOOPS_H_
