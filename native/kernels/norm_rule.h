// What a norm does to the gradients of a step: plain C++ that is valid Metal too. Each operation is
// rounded by itself.
#ifndef METAL_SGD_KERNELS_NORM_RULE_H_
#define METAL_SGD_KERNELS_NORM_RULE_H_

template <typename Real>
struct NormParams {
  Real most;     ///< the largest norm
  Real epsilon;  ///< MLX's and PyTorch's 1e-6
};

/// c = most / (norm + epsilon); the gradients are multiplied unless c >= 1. Source: MLX's
/// clip_grad_norm and PyTorch's clip_grad_norm_.
template <typename Real>
static inline Real norm_rule(NormParams<Real> params, Real norm) {
  Real larger = norm + params.epsilon;
  return params.most / larger;
}

#endif  // METAL_SGD_KERNELS_NORM_RULE_H_
