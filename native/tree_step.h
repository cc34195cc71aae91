// The step of a tree: which spans run on which device.
#ifndef METAL_SGD_TREE_STEP_H_
#define METAL_SGD_TREE_STEP_H_

#include <algorithm>
#include <optional>

#include "backend.h"
#include "choice.h"
#include "gpu_part.h"

namespace metal_sgd {

/// Where the steps of a tree may run.
#define METAL_SGD_TARGETS(row) row(kCpu, "cpu") row(kGpu, "gpu") row(kAuto, "auto")
enum class Target : uint8_t { METAL_SGD_TARGETS(METAL_SGD_ENUMERATOR) };
constexpr const char* kTargetNames[] = {METAL_SGD_TARGETS(METAL_SGD_NAME)};

/// Where a step ran, and why.
#define METAL_SGD_OUTCOMES(row)                                                                  \
  row(kCpuAsked, "cpuAsked")             /* the target was the CPU */                            \
      row(kCpuNoArena, "cpuNoArena")     /* no span can run on the GPU in place */               \
      row(kCpuSmall, "cpuSmall")         /* too small to wake the GPU */                         \
      row(kCpuTimed, "cpuTimed")         /* to see how long it takes there */                    \
      row(kCpuFaster, "cpuFaster")       /* its steps were the faster ones */                    \
      row(kCpuRefused, "cpuRefused")     /* the GPU failed its self-test, or compiled nothing */ \
      row(kCpuGpuFailed, "cpuGpuFailed") /* the GPU failed before it wrote anything */           \
      row(kCpuWhole, "cpuWhole")         /* measured, and not all of it fits the GPU */          \
      row(kCpuTooLarge, "cpuTooLarge")   /* the arenas exceed the GPU's working set */           \
      row(kCpuNoProof, "cpuNoProof")     /* the GPU is proved for plain steps alone */           \
      row(kCpuExact, "cpuExact")         /* the GPU has other bits for float32 subnormals */     \
      row(kGpuAsked, "gpuAsked")         /* the target was the GPU */                            \
      row(kGpuInexact, "gpuInexact")     /* likewise, with other bits for float32 subnormals */  \
      row(kGpuTimed, "gpuTimed")         /* to see how long it takes there */                    \
      row(kGpuFaster, "gpuFaster")       /* its steps were the faster ones */
enum class Outcome : uint8_t { METAL_SGD_OUTCOMES(METAL_SGD_ENUMERATOR) };
constexpr const char* kOutcomeNames[] = {METAL_SGD_OUTCOMES(METAL_SGD_NAME)};

struct StepReport {
  Outcome outcome;
  Report device;
  bool is_split = false;  ///< float64 and other memory ran on the CPU, after the GPU
  StepTimes times{};      ///< of such steps, where both devices take them
};

class TreeStep {
 public:
  /// Throws GpuFailure if the target is the GPU and it fails.
  /// `measures`: steps may measure their gradients. `choices`: under 'auto', where they run.
  TreeStep(const std::vector<Span>& spans, Target target, bool measures, Choices* choices);
  /// Runs on the CPU what it prepared.
  explicit TreeStep(std::unique_ptr<Prepared> prepared);

  /// Steps every span in place. Any thread, one at a time. Throws GpuFailure.
  StepReport run(const StepSettings& settings);
  /// Of a step that was not finite: index of the first leaf with a gradient that is not; none if
  /// the norm alone exceeds its dtype.
  std::optional<size_t> first_not_finite(const StepSettings& settings) const;
  bool measures() const { return measures_; }
  /// False if a span of the group has no velocity.
  bool has_velocity(size_t group) const {
    return std::count(without_velocity_.begin(), without_velocity_.end(), group) == 0;
  }

 private:
  void add_without_velocity(uint8_t group);
  void split(const std::vector<Span>& spans, Choices* choices);
  StepReport run_auto(const StepSettings& settings);
  StepReport try_gpu(const StepSettings& settings, Outcome outcome);
  StepReport run_gpu(const StepSettings& settings, Outcome outcome);

  Target target_;
  bool measures_ = false;
  std::vector<Span> measured_;             // every span, where steps may measure
  std::vector<uint8_t> without_velocity_;  // groups that have a span without one
  Outcome why_cpu_ = Outcome::kCpuAsked;   // where there is no choice
  std::shared_ptr<Choice> choice_;         // under 'auto', if both devices take such steps
  std::unique_ptr<Prepared> all_;          // every span on the CPU
  std::optional<GpuPart> gpu_;             // the spans for the GPU
  std::unique_ptr<Prepared> rest_;         // the others on the CPU, if any
};

}  // namespace metal_sgd

#endif  // METAL_SGD_TREE_STEP_H_
