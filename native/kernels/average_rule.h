// The moving average of parameters, for one element: plain C++ that is valid Metal too. Each
// operation is rounded by itself.
#ifndef METAL_SGD_KERNELS_AVERAGE_RULE_H_
#define METAL_SGD_KERNELS_AVERAGE_RULE_H_

template <typename Real>
struct AverageParams {
  Real decay;
  Real rest;  ///< 1 - decay, formed in double and then rounded
};

/// e <- d * e + (1 - d) * w. A first step copies w instead.
template <typename Real>
static inline Real average_rule(AverageParams<Real> params, Real average, Real parameter) {
  Real kept = params.decay * average;
  Real added = params.rest * parameter;
  return kept + added;
}

#endif  // METAL_SGD_KERNELS_AVERAGE_RULE_H_
