// A tree made ready for stepping, on one backend or on both.
#ifndef METAL_SGD_TREE_STEP_H_
#define METAL_SGD_TREE_STEP_H_

#include <string>

#include "metal/metal.h"

namespace metal_sgd {

/// Where a tree's steps may run. The numbers are those of `lib/addon/native.ts`.
enum class Target : uint8_t { kCpu, kGpu, kAuto };

/// What a step did; the numbers are those of `lib/addon/native.ts`.
enum class Ran : uint8_t {
  kCpuAsked,    ///< the target was the CPU
  kCpuNoArena,  ///< no leaf can run on the GPU as it lies
  kCpuSmall,    ///< faster there than on the GPU
  kCpuRefused,  ///< the GPU failed its self-test, or compiled nothing
  kGpu,         ///< all leaves
  kGpuAndCpu,   ///< float64 leaves and ordinary arrays on the CPU, after the GPU succeeded
};

struct StepReport {
  Ran ran;
  size_t copied_bytes;
  double gpu_seconds;  ///< by the GPU's clock; 0 on the CPU
};

class TreeStep {
 public:
  /// Throws MetalFailure if the target needs Metal and Metal fails.
  TreeStep(const std::vector<GpuRun>& runs, Target target);

  /// Steps every run in place. Any thread, one at a time. Throws MetalFailure.
  StepReport run(const StepSettings& settings);
  /// False if momentum > 0 and a run has no velocity.
  bool has_velocity() const { return has_velocity_; }

 private:
  StepReport run_auto(const StepSettings& settings);
  StepReport run_gpu(const StepSettings& settings);

  Target target_;
  bool has_velocity_;
  size_t gpu_traffic_ = 0;              // bytes that the GPU's runs move, with momentum
  std::vector<Dtype> gpu_dtypes_;       // of the GPU's runs, each once
  std::unique_ptr<PreparedStep> all_;   // every run on the CPU
  std::unique_ptr<GpuStep> gpu_;        // the runs for the GPU, if any
  std::unique_ptr<PreparedStep> rest_;  // the others on the CPU, if any
};

}  // namespace metal_sgd

#endif  // METAL_SGD_TREE_STEP_H_
