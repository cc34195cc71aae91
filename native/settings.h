// What a step is asked, and what it reports: numbers as the user gave them, in double, and their
// rounding. Plain C++.
#ifndef METAL_SGD_SETTINGS_H_
#define METAL_SGD_SETTINGS_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/average_rule.h"
#include "kernels/gradient_rule.h"
#include "kernels/norm_rule.h"
#include "kernels/sgd_params.h"

namespace metal_sgd {

// Lists that TypeScript reads by name: one row for each enumerator.
#define METAL_SGD_ENUMERATOR(name, ...) name,
#define METAL_SGD_NAME(name, text, ...) text,
#define METAL_SGD_BYTES(name, text, bytes) bytes,

/// Hyperparameters of one step as the user gave them, in double.
struct Hyperparameters {
  double learning_rate;
  double momentum;
  double weight_decay;
  double dampening;
  bool nesterov;
  bool maximize = false;
};

/// The rounding of every hyperparameter, in one place.
template <typename Real>
SgdParams<Real> sgd_params(const Hyperparameters& given) {
  SgdParams<Real> params{};
  params.learning_rate = static_cast<Real>(given.learning_rate);
  params.momentum = static_cast<Real>(given.momentum);
  params.weight_decay = static_cast<Real>(given.weight_decay);
  params.undampened = static_cast<Real>(given.dampening > 0 ? 1 - given.dampening : 1);
  params.flags = (given.momentum > 0 ? kSgdMomentum : 0u) | (given.nesterov ? kSgdNesterov : 0u) |
                 (given.weight_decay != 0 ? kSgdWeightDecay : 0u) |
                 (given.maximize ? kSgdMaximize : 0u);
  return params;
}

/// What a step does whose gradients are not finite.
#define METAL_SGD_NON_FINITE(row) row(kApply, "apply") row(kSkip, "skip") row(kError, "error")
enum class NonFinite : uint8_t { METAL_SGD_NON_FINITE(METAL_SGD_ENUMERATOR) };
constexpr const char* kNonFiniteNames[] = {METAL_SGD_NON_FINITE(METAL_SGD_NAME)};

/// What a step does to gradients and averages of every group, in double.
struct Around {
  double divisor = 1;  ///< gradients that the sum stands for
  double scale = 1;
  double clip = 0;  ///< the largest magnitude of a gradient; 0: any
  double decay = 0;
  double max_norm = std::numeric_limits<double>::quiet_NaN();  ///< NaN: any
  NonFinite non_finite = NonFinite::kApply;

  /// Whether the gradients are measured before the step.
  bool measures() const { return !std::isnan(max_norm) || non_finite != NonFinite::kApply; }
};

/// What happens to the gradients of a group before the rule. Of a plain step: nothing, flags 0.
template <typename Real>
GradientParams<Real> gradient_params(const Around& around, bool maximize) {
  GradientParams<Real> params{};
  params.divisor = static_cast<Real>(around.divisor);
  params.reciprocal = static_cast<Real>(1 / around.divisor);
  params.scale = static_cast<Real>(around.scale);
  params.coefficient = 1;
  params.clip = static_cast<Real>(around.clip);
  auto divisor = static_cast<uint64_t>(around.divisor);
  bool is_power = (divisor & (divisor - 1)) == 0;
  params.flags = (divisor == 1 ? 0u
                  : is_power   ? kGradientMultiply
                               : kGradientDivide) |
                 (around.scale == 1 ? 0u : kGradientScale) |
                 (around.clip == 0 ? 0u : kGradientClip) | (maximize ? kGradientNegate : 0u);
  return params;
}

template <typename Real>
NormParams<Real> norm_params(const Around& around) {
  return {static_cast<Real>(around.max_norm), static_cast<Real>(1e-6)};
}

template <typename Real>
AverageParams<Real> average_params(const Around& around) {
  return {static_cast<Real>(around.decay), static_cast<Real>(1 - around.decay)};
}

/// float32 subnormals: kept as MLX's CPU does, or flushed to zero as Apple GPUs do.
enum class Subnormals : uint8_t { kKeep, kFlush };

/// What can change from one step to the next.
struct StepSettings {
  Hyperparameters hyperparameters;
  Subnormals subnormals;                  ///< on the CPU; a GPU always flushes
  std::vector<Hyperparameters> groups{};  ///< of the parameter groups, from group 1 on
  Around around{};
  /// A long step yields its processors in between: beside threads that never do, some systems keep
  /// an event loop waiting for milliseconds.
  bool yields = false;
  /// A GPU's division or root is not exact: the host forms the coefficient of the norm.
  bool host_norm = false;
  /// Another number for other settings of the same tree; 0: they may be any.
  uint64_t revision = 0;

  const Hyperparameters& of(size_t group) const {
    return group == 0 ? hyperparameters : groups[group - 1];
  }
};

/// What became of a step.
#define METAL_SGD_VERDICTS(row)                                       \
  row(kStepped, "stepped") row(kClipped, "clipped") /* by the norm */ \
      row(kSkipped, "skipped")                      /* not finite: nothing was written */
enum class Verdict : uint8_t { METAL_SGD_VERDICTS(METAL_SGD_ENUMERATOR) };
constexpr const char* kVerdictNames[] = {METAL_SGD_VERDICTS(METAL_SGD_NAME)};

/// The norm of all gradients, and the largest magnitude among them: NaN if one is NaN.
struct Measure {
  double norm = std::numeric_limits<double>::quiet_NaN();
  double largest = std::numeric_limits<double>::quiet_NaN();

  Verdict verdict(NonFinite non_finite, bool clips) const {
    bool is_finite =
        std::isfinite(largest) && (non_finite != NonFinite::kError || std::isfinite(norm));
    if (non_finite != NonFinite::kApply && !is_finite) return Verdict::kSkipped;
    return clips ? Verdict::kClipped : Verdict::kStepped;
  }
};

/// What a backend did in one step.
struct Report {
  Verdict verdict = Verdict::kStepped;
  Measure measure{};        ///< of a step that measures its gradients
  size_t copied_bytes = 0;  ///< to and from memory that the device can't use in place
  double gpu_seconds = 0;   ///< by the GPU's own clock
};

}  // namespace metal_sgd

#endif  // METAL_SGD_SETTINGS_H_
