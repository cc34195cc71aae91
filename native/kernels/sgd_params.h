// The one struct that crosses to the GPU: the hyperparameters of one step, for one run of elements.
// Plain C++ that is valid Metal too; `Real` is float for every dtype but float64 (Metal never sees
// double).
#ifndef METAL_SGD_KERNELS_SGD_PARAMS_H_
#define METAL_SGD_KERNELS_SGD_PARAMS_H_

#ifndef __METAL_VERSION__
#include <cstdint>
#endif

enum SgdFlags : uint32_t {
  kSgdMomentum = 1u,  ///< momentum > 0 as given (a double that rounds to 0 in float32 still counts)
  kSgdNesterov = 2u,  ///< u = g' + mu * v instead of u = v
  kSgdWeightDecay = 4u,  ///< weight decay != 0 as given; without it w never enters g'
};

template <typename Real>
struct SgdParams {
  Real learning_rate;   ///< lambda
  Real momentum;        ///< mu
  Real weight_decay;    ///< wd
  Real gradient_scale;  ///< 1 - tau, formed in double and then rounded; exactly 1 where tau <= 0
  uint32_t flags;       ///< SgdFlags, or'ed
  uint32_t count;       ///< elements of the run; the GPU's bound check, unused on the CPU
};

static_assert(sizeof(SgdParams<float>) == 24, "the GPU reads SgdParams<float> with this layout");

#endif  // METAL_SGD_KERNELS_SGD_PARAMS_H_
