// The update loops, one table for each instruction set. Each table is the same source, `loops.inc`,
// compiled with that set's flags.
#ifndef METAL_SGD_CPU_LOOPS_H_
#define METAL_SGD_CPU_LOOPS_H_

#include "backend.h"

namespace metal_sgd {

/// Part of a span, as the loops take it. Small: walking larger ones costs many leaves 7 %.
struct Piece {
  void* parameter;       ///< read and written
  const void* gradient;  ///< read
  void* velocity;        ///< read and written with momentum, else unused and maybe null
  size_t count;          ///< elements
  Dtype dtype;
  uint8_t group;
};

/// The hyperparameters, rounded for every dtype once per step.
struct StepParams {
  SgdParams<float> f32;  ///< for the 16-bit dtypes too
  SgdParams<double> f64;
};

/// Steps `piece` in place, on the calling thread, in its present floating-point mode.
using StepFunction = void (*)(const Piece& piece, const StepParams& params, bool prefetch);

struct CpuKernels {
  const char* name;  ///< as `devices()` shows it
  StepFunction step[kDtypes];
};

/// What this processor can run, the fastest first; never empty.
const std::vector<const CpuKernels*>& cpu_kernels();

/// Whether prefetching pays on this processor once data exceeds its caches.
bool gains_by_prefetch();

}  // namespace metal_sgd

#endif  // METAL_SGD_CPU_LOOPS_H_
