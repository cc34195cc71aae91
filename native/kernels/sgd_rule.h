// The update rule for one element, or for one vector of elements, by value: the only place that
// computes SGD. Plain C++ that is valid Metal too. Compile with contraction off: every operation is
// rounded by itself. Source: mlx.optimizers.SGD.apply_single (MLX 0.32.4).
#ifndef METAL_SGD_KERNELS_SGD_RULE_H_
#define METAL_SGD_KERNELS_SGD_RULE_H_

#include "sgd_params.h"

template <typename T>
struct SgdResult {
  T parameter;
  T velocity;
};

/// One step of w = parameter, g = gradient, v = velocity. Without momentum v is returned unchanged.
///
///     g' = g + wd * w                     only if wd != 0
///     mu <= 0:  w <- w - lambda * g'
///     mu > 0:   v <- mu * v + (1 - tau) * g'      kSgdFirst: v <- g'
///               u  = nesterov ? g' + mu * v : v
///               w <- w - lambda * u
///
/// `static`: files compiled for different instruction sets must never share one copy.
template <typename T, typename Real>
static inline SgdResult<T> sgd_rule(SgdParams<Real> params, T w, T g, T v) {
  if (params.flags & kSgdWeightDecay) {
    T decay = params.weight_decay * w;
    g = g + decay;
  }
  T update = g;
  if (params.flags & kSgdMomentum) {
    if (params.flags & kSgdFirst) {
      v = g;
    } else {
      T kept = params.momentum * v;
      T added = params.undampened * g;
      v = kept + added;
    }
    update = v;
    if (params.flags & kSgdNesterov) {
      T ahead = params.momentum * v;
      update = g + ahead;
    }
  }
  T change = params.learning_rate * update;
  return {w - change, v};
}

#endif  // METAL_SGD_KERNELS_SGD_RULE_H_
