// A tree made ready for stepping, as `prepareStep` hands it to TypeScript in an External.
#ifndef METAL_SGD_BINDING_BOUND_TREE_H_
#define METAL_SGD_BINDING_BOUND_TREE_H_

#include <napi.h>

#include <atomic>

#include "tree_step.h"

namespace metal_sgd {

/// The columns of a settings row: one row for the optimizer, then one for each parameter group.
/// Steps read the first columns: six of each row, then those of the first row alone. They write the
/// columns from kOutcome on, of the first row.
#define METAL_SGD_SETTINGS(row)                                                                    \
  row(kLearningRate, "learningRate") row(kMomentum, "momentum") row(kWeightDecay, "weightDecay")   \
      row(kDampening, "dampening") row(kNesterov, "nesterov") row(kMaximize, "maximize")           \
          row(kFlushSubnormals, "flushSubnormals") row(kDivisor, "divisor")                        \
              row(kGradientScale, "gradientScale") row(kClipValue, "clipValue")                    \
                  row(kEmaDecay, "emaDecay") row(kMaxNorm, "maxNorm") row(kNonFinite, "nonFinite") \
                      row(kOutcome, "outcome") row(kCopiedBytes, "copiedBytes")                    \
                          row(kGpuSeconds, "gpuSeconds") row(kVerdict, "verdict")                  \
                              row(kGradientNorm, "gradientNorm") row(kGradientMax, "gradientMax")  \
                                  row(kIsSplit, "isSplit") row(kCpuTime, "cpuTime")                \
                                      row(kGpuTime, "gpuTime")
enum Setting { METAL_SGD_SETTINGS(METAL_SGD_ENUMERATOR) kSettings };
constexpr const char* kSettingNames[] = {METAL_SGD_SETTINGS(METAL_SGD_NAME)};

/// A prepared tree and its settings rows. Points into the caller's arrays, which TypeScript keeps
/// alive while it keeps the External.
class BoundTree {
 public:
  /// `groups`: rows after the first.
  BoundTree(TreeStep tree, double* rows, size_t groups);

  /// The settings as they are now. Throws if a momentum has no velocities to work on, or if a step
  /// of the tree is pending: it runs one at a time.
  const StepSettings& settings(Napi::Env env);
  void report(const StepReport& report) const;

  TreeStep tree;
  /// True while an asynchronous step is queued or runs. Only the JavaScript thread sets it.
  std::atomic<bool> pending{false};

 private:
  bool is_read() const;
  void read(Napi::Env env);
  Hyperparameters row(size_t group) const;

  double* rows_;
  std::vector<double> seen_;  ///< the rows as `settings_` has them
  StepSettings settings_{};
};

using SharedTree = std::shared_ptr<BoundTree>;

/// The tree behind an External that `prepareStep` made. Throws if it was released.
SharedTree& tree_of(const Napi::Value& external);

}  // namespace metal_sgd

#endif  // METAL_SGD_BINDING_BOUND_TREE_H_
