// What happens to a gradient before the update rule, for one element: plain C++ that is valid Metal
// too. Each operation is rounded by itself, and one that is off is left out.
#ifndef METAL_SGD_KERNELS_GRADIENT_RULE_H_
#define METAL_SGD_KERNELS_GRADIENT_RULE_H_

#include "sgd_params.h"

/// The operations, in their order. kGradientDivide and kGradientMultiply exclude each other.
enum GradientFlags : uint32_t {
  kGradientDivide = 1u,    ///< the sum by the number of gradients
  kGradientMultiply = 2u,  ///< the same where that is a power of two: by its exact reciprocal
  kGradientScale = 4u,
  kGradientMeasured = 7u,  ///< those before norm and finite test
  kGradientNorm = 8u,
  kGradientClip = 16u,
  kGradientNegate = 32u,
  kGradientFlagsEnd = 64u,
};

template <typename Real>
struct GradientParams {
  Real divisor;
  Real reciprocal;
  Real scale;
  Real coefficient;  ///< of clipping by the norm
  Real clip;         ///< the largest magnitude
  uint32_t flags;
};

/// The gradient that the update rule takes, from the sum of all. NaN stays NaN.
template <typename Real>
static inline Real gradient_rule(GradientParams<Real> params, Real sum) {
  Real g = sum;
  if (params.flags & kGradientDivide) g = g / params.divisor;
  if (params.flags & kGradientMultiply) g = g * params.reciprocal;
  if (params.flags & kGradientScale) g = g * params.scale;
  if (params.flags & kGradientNorm) g = g * params.coefficient;
  if (params.flags & kGradientClip)
    g = g < -params.clip ? -params.clip : g > params.clip ? params.clip : g;
  if (params.flags & kGradientNegate) g = -g;
  return g;
}

#endif  // METAL_SGD_KERNELS_GRADIENT_RULE_H_
