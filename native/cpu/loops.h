// The update loops, one table for each instruction set. Each table is the same source, `loops.inc`,
// compiled with that set's flags.
#ifndef METAL_SGD_CPU_LOOPS_H_
#define METAL_SGD_CPU_LOOPS_H_

#include "backend.h"

namespace metal_sgd {

/// Part of a span, as the loops of plain steps take it. Small: walking larger ones costs many
/// leaves 7 %.
struct Piece {
  void* parameter;       ///< read and written
  const void* gradient;  ///< read; the first, if there are several
  void* velocity;        ///< read and written with momentum, else unused and maybe null
  size_t count;          ///< elements
  Dtype dtype;           ///< of the parameter
  uint8_t group;
  uint32_t
      span;  ///< index of the span that it is part of, for steps that are not plain; else kPlain

  static constexpr uint32_t kPlain = UINT32_MAX;
};

/// Part of a span, as the loop over blocks takes it.
struct Sources {
  void* streams[kRoles];  ///< null: the step has no such stream
  Dtype dtype;            ///< of the parameter
  Dtype velocity;
  const Stream* gradients;
  size_t gradient_count;
  size_t first, count;  ///< elements of every stream
  uint8_t fresh;        ///< First, or'ed
};

/// What a step computes with, rounded to one type.
template <typename Real>
struct RealParams {
  SgdParams<Real> rule;
  GradientParams<Real> before;
  AverageParams<Real> after;
};

/// The same of one group, rounded for every dtype once per step.
struct StepParams {
  RealParams<float> f32;  ///< for the 16-bit dtypes too
  RealParams<double> f64;

  template <typename Real>
  const RealParams<Real>& of() const {
    if constexpr (sizeof(Real) == sizeof(double)) {
      return f64;
    } else {
      return f32;
    }
  }
};

/// Those of a group, rounded.
template <typename Real>
RealParams<Real> real_params(const StepSettings& settings, size_t group) {
  const Hyperparameters& given = settings.of(group);
  return {sgd_params<Real>(given), gradient_params<Real>(settings.around, given.maximize),
          average_params<Real>(settings.around)};
}

inline StepParams step_params(const StepSettings& settings, size_t group) {
  return {real_params<float>(settings, group), real_params<double>(settings, group)};
}

/// Steps `piece` in place, on the calling thread, in its present floating-point mode.
using StepFunction = void (*)(const Piece& piece, const StepParams& params, bool prefetch);
/// The same for steps that are not plain.
using BlocksFunction = void (*)(const Sources& sources, const StepParams& params, bool prefetch);
/// Writes the sum of the gradients to the parameter's stream, which may be the first of them.
using SumFunction = void (*)(const Sources& sources, bool prefetch);
/// Writes a sum of squares for each block of the measured gradients: floats, or doubles for
/// float64. Returns the bits of the largest magnitude among them.
using SquaresFunction = uint64_t (*)(const Sources& sources, const StepParams& params, void* sums);

struct CpuKernels {
  const char* name;  ///< as `devices()` shows it
  StepFunction step[kDtypes];
  BlocksFunction blocks[kDtypes];
  SumFunction sum_f32, sum_f64;
  SquaresFunction squares_f32, squares_f64;
};

/// What this processor can run, the fastest first; never empty.
const std::vector<const CpuKernels*>& cpu_kernels();

/// Those that steps use now.
const CpuKernels& present_cpu_kernels();

/// Whether prefetching pays on this processor once data exceeds its caches.
bool gains_by_prefetch();

}  // namespace metal_sgd

#endif  // METAL_SGD_CPU_LOOPS_H_
