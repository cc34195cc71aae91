// The step of a tree: which spans run on which device.
#ifndef METAL_SGD_TREE_STEP_H_
#define METAL_SGD_TREE_STEP_H_

#include <algorithm>
#include <map>
#include <optional>

#include "backend.h"

namespace metal_sgd {

/// Where the steps of a tree may run.
#define METAL_SGD_TARGETS(row) row(kCpu, "cpu") row(kGpu, "gpu") row(kAuto, "auto")
enum class Target : uint8_t { METAL_SGD_TARGETS(METAL_SGD_ENUMERATOR) };
constexpr const char* kTargetNames[] = {METAL_SGD_TARGETS(METAL_SGD_NAME)};

/// Where a step ran, and why.
#define METAL_SGD_OUTCOMES(row)                                                                  \
  row(kCpuAsked, "cpuAsked")             /* the target was the CPU */                            \
      row(kCpuNoArena, "cpuNoArena")     /* no span can run on the GPU in place */               \
      row(kCpuSmall, "cpuSmall")         /* faster there than on the GPU */                      \
      row(kCpuRefused, "cpuRefused")     /* the GPU failed its self-test, or compiled nothing */ \
      row(kCpuGpuFailed, "cpuGpuFailed") /* the GPU failed before it wrote anything */           \
      row(kCpuWhole, "cpuWhole")         /* measured, and not all of it fits the GPU */          \
      row(kCpuTooLarge, "cpuTooLarge")   /* the arenas exceed the GPU's working set */           \
      row(kCpuNoProof, "cpuNoProof")     /* the GPU is proved for plain steps alone */           \
      row(kCpuExact, "cpuExact")         /* the GPU has other bits for float32 subnormals */     \
      row(kGpu, "gpu")                   /* all spans */                                         \
      row(kGpuAndCpu, "gpuAndCpu")       /* float64 and other memory on the CPU, afterwards */   \
      row(kGpuInexact, "gpuInexact")     /* with other bits for float32 subnormals */
enum class Outcome : uint8_t { METAL_SGD_OUTCOMES(METAL_SGD_ENUMERATOR) };
constexpr const char* kOutcomeNames[] = {METAL_SGD_OUTCOMES(METAL_SGD_NAME)};

struct StepReport {
  Outcome outcome;
  Report device;
};

class TreeStep {
 public:
  /// Throws GpuFailure if the target is the GPU and it fails.
  /// `measures`: steps may measure their gradients.
  TreeStep(const std::vector<Span>& spans, Target target, bool measures);
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
  StepReport run_auto(const StepSettings& settings);
  StepReport try_gpu(const StepSettings& settings);
  StepReport run_gpu(const StepSettings& settings, bool is_exact);
  std::vector<Dtype> general_dtypes(const StepSettings& settings) const;
  bool prove_general(const StepSettings& settings) const;
  bool can_prove_general(const StepSettings& settings, bool& is_exact) const;
  StepSettings with_host_norm(StepSettings settings) const;
  void prepare_or_keep(std::vector<Span>& gpu);
  void prepare_unprepared();

  Target target_;
  bool measures_ = false;
  std::vector<Span> measured_;             // every span, where steps may measure
  std::vector<uint8_t> without_velocity_;  // groups that have a span without one
  std::vector<Span> unprepared_;      // under 'auto': spans for the GPU, which failed to take them
  std::map<uint64_t, Arena> arenas_;  // of `unprepared_`, by id
  bool is_split_ = false;             // under 'auto': measured, and not all of it fits the GPU
  bool too_large_ = false;            // under 'auto': the arenas exceed the GPU's working set
  size_t gpu_traffic_ = 0;            // bytes that the GPU's spans move
  std::vector<Dtype> gpu_dtypes_;     // of the GPU's spans, each once
  std::vector<Dtype> never_plain_;    // of those spans that no settings make plain, each once
  std::vector<std::pair<Dtype, uint8_t>> plain_;  // dtypes and groups of the others, each once
  std::unique_ptr<Prepared> all_;                 // every span on the CPU
  std::unique_ptr<Prepared> gpu_;                 // the spans for the GPU, if any
  std::unique_ptr<Prepared> rest_;                // the others on the CPU, if any
};

}  // namespace metal_sgd

#endif  // METAL_SGD_TREE_STEP_H_
