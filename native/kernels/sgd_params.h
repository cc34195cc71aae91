// What crosses to the GPU: the hyperparameters of one step for one range of elements, and the
// numbers that kernels and host must agree on. Plain C++ that is valid Metal too. `Real` is float
// for every dtype but float64 (Metal never sees double).
#ifndef METAL_SGD_KERNELS_SGD_PARAMS_H_
#define METAL_SGD_KERNELS_SGD_PARAMS_H_

#ifndef __METAL_VERSION__
#include <cstdint>
#endif

// Macros, since Metal's attributes take them in every version.
#define SGD_PARAMETER_BUFFER 0
#define SGD_GRADIENT_BUFFER 1
#define SGD_VELOCITY_BUFFER 2  // unused without momentum
#define SGD_PARAMS_BUFFER 3
#define SGD_THREADS_PER_GROUP 256
#define SGD_VECTOR_BYTES 16  // of each stream and thread, where all streams are aligned to it

enum SgdFlags : uint32_t {
  kSgdMomentum = 1u,     ///< momentum > 0 in double, even if it rounds to 0 in float32
  kSgdNesterov = 2u,     ///< u = g' + mu * v instead of u = v
  kSgdWeightDecay = 4u,  ///< weight decay != 0 in double; without it w never enters g'
  kSgdFirst = 8u,        ///< the velocity is made by this step: it is g', undampened
  kSgdMaximize = 16u,    ///< the gradient's sign is changed; the rule itself never sees it
};

template <typename Real>
struct SgdParams {
  Real learning_rate;  ///< lambda
  Real momentum;       ///< mu
  Real weight_decay;   ///< wd
  Real undampened;     ///< 1 - tau, formed in double and then rounded; exactly 1 where tau <= 0
  uint32_t flags;      ///< SgdFlags, or'ed
  uint32_t count;      ///< elements; the GPU's bound check, unused on the CPU
};

static_assert(sizeof(SgdParams<float>) == 24, "the GPU reads SgdParams<float> with this layout");

#endif  // METAL_SGD_KERNELS_SGD_PARAMS_H_
