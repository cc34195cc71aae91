// A tree made ready for stepping, as `prepareStep` hands it to TypeScript in an External.
#ifndef METAL_SGD_BINDING_BOUND_TREE_H_
#define METAL_SGD_BINDING_BOUND_TREE_H_

#include <napi.h>

#include "tree_step.h"

namespace metal_sgd {

/// Where each number stands in the settings array; `lib/addon/native.ts` has the same order.
enum Setting {
  kLearningRate,
  kMomentum,
  kWeightDecay,
  kDampening,
  kNesterov,
  kFlushSubnormals,
  kRan,          ///< written after each step: a `Ran`
  kCopiedBytes,  ///< written after each step
  kGpuSeconds,   ///< written after each step
  kSettings
};

/// A prepared tree and its settings array. Points into the caller's arrays, which TypeScript keeps
/// alive while it keeps the External.
struct BoundTree {
  TreeStep tree;
  double* settings;

  /// The settings as they are now. Throws if a momentum has no velocities to work on.
  StepSettings read(Napi::Env env) const;
  void report(const StepReport& report) const;
};

using SharedTree = std::shared_ptr<BoundTree>;

/// The tree behind an External that `prepareStep` made. Throws if it was released.
SharedTree& tree_of(const Napi::Value& external);

/// A MetalFailure as an Error with its code.
Napi::Error metal_error(Napi::Env env, const MetalFailure& failure);

}  // namespace metal_sgd

#endif  // METAL_SGD_BINDING_BOUND_TREE_H_
