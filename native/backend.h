// The interface that both backends fill: a tree is prepared once, then stepped many times.
// Plain C++; knows neither Node nor Objective-C.
#ifndef METAL_SGD_BACKEND_H_
#define METAL_SGD_BACKEND_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/sgd_params.h"

namespace metal_sgd {

/// In the order of `lib/tree/dtype.ts`, which sends the number.
enum class Dtype : uint8_t { kFloat32, kFloat64, kFloat16, kBfloat16 };
constexpr int kDtypes = 4;

constexpr size_t item_size(Dtype dtype) {
  return dtype == Dtype::kFloat64 ? 8 : dtype == Dtype::kFloat32 ? 4 : 2;
}

/// Elements that lie one after another in parameters, gradients and velocity alike: one leaf, or
/// several with the padding between them. The three never overlap; pointers are element-aligned.
struct Run {
  void* parameter;       ///< read and written
  const void* gradient;  ///< read
  void* velocity;        ///< read and written with momentum, else unused and maybe null
  size_t count;          ///< elements
  Dtype dtype;
};

/// Hyperparameters of one step as the user gave them, in double.
struct Hyperparameters {
  double learning_rate;
  double momentum;
  double weight_decay;
  double dampening;
  bool nesterov;
};

/// The rounding of every hyperparameter, in one place.
template <typename Real>
SgdParams<Real> sgd_params(const Hyperparameters& given) {
  SgdParams<Real> params{};
  params.learning_rate = static_cast<Real>(given.learning_rate);
  params.momentum = static_cast<Real>(given.momentum);
  params.weight_decay = static_cast<Real>(given.weight_decay);
  params.gradient_scale = static_cast<Real>(given.dampening > 0 ? 1 - given.dampening : 1);
  params.flags = (given.momentum > 0 ? kSgdMomentum : 0u) | (given.nesterov ? kSgdNesterov : 0u) |
                 (given.weight_decay != 0 ? kSgdWeightDecay : 0u);
  return params;
}

/// float32 subnormals: kept as MLX's CPU does, or flushed to zero as Apple GPUs do.
enum class Subnormals : uint8_t { kKeep, kFlush };

/// What can change from one step of a tree to the next.
struct StepSettings {
  Hyperparameters hyperparameters;
  Subnormals subnormals;
  /// Whether a long step lets others have its processors in between: systems may leave an event
  /// loop waiting for milliseconds beside threads that never do.
  bool gives_way = false;
};

/// A tree made ready for one backend. Does not own the memory that its runs point to.
class PreparedStep {
 public:
  virtual ~PreparedStep() = default;
  /// Steps every run in place; returns when all is written. Any thread, one at a time.
  virtual void run(const StepSettings& settings) = 0;
};

}  // namespace metal_sgd

#endif  // METAL_SGD_BACKEND_H_
