// A tree made ready for stepping, as `prepareStep` hands it to TypeScript in an External.
#ifndef METAL_SGD_BINDING_TREE_STEP_H_
#define METAL_SGD_BINDING_TREE_STEP_H_

#include <napi.h>

#include "backend.h"

namespace metal_sgd {

/// Where each number stands in the settings array; `lib/native.ts` has the same order.
enum Setting {
  kLearningRate,
  kMomentum,
  kWeightDecay,
  kDampening,
  kNesterov,
  kFlushSubnormals,
  kSettings
};

/// Points into the caller's arrays, which TypeScript keeps alive while it keeps the External.
class TreeStep {
 public:
  TreeStep(const std::vector<Run>& runs, const double* settings);

  Hyperparameters hyperparameters() const;
  Subnormals subnormals() const;
  /// Any thread. The caller has made sure that v is there if momentum > 0.
  void run(const Hyperparameters& given, Subnormals subnormals);
  /// False if momentum > 0 and a run has no velocity.
  bool has_what_it_needs() const;

 private:
  std::unique_ptr<PreparedStep> cpu_;
  const double* settings_;
  bool has_velocity_;
};

using SharedTreeStep = std::shared_ptr<TreeStep>;

/// The tree behind an External that `prepareStep` made.
SharedTreeStep& tree_step_of(const Napi::Value& external);

}  // namespace metal_sgd

#endif  // METAL_SGD_BINDING_TREE_STEP_H_
