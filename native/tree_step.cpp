#include "tree_step.h"

#include <algorithm>
#include <atomic>

#include "cpu/cpu.h"
#include "proof/proof.h"
#include "system/stopwatch.h"

namespace metal_sgd {

namespace {

/// Smaller steps never wake a GPU: no Apple chip is known whose GPU takes them faster.
constexpr size_t kMinGpuTraffic = 8 << 20;

/// Steps on the CPU after a GPU's failure, until the next try. A failed try can take milliseconds.
constexpr int kStepsBeforeRetry = 1000;

/// Under 'auto': a failed GPU, which all steps of the process leave alone for some time.
std::atomic<int> steps_to_retry{0};
std::atomic<Outcome> last_failure{Outcome::kCpuGpuFailed};

void wait_after(const GpuFailure& failure) {
  last_failure = is_refusal(failure) ? Outcome::kCpuRefused : Outcome::kCpuGpuFailed;
  steps_to_retry = kStepsBeforeRetry;
}

bool in_arenas(const Span& span) {
  auto lies_in_one = [](const Stream& stream) { return !stream || stream.arena != nullptr; };
  return std::all_of(span.streams, span.streams + kRoles, lies_in_one) &&
         std::all_of(span.gradients.begin(), span.gradients.end(), lies_in_one);
}

/// The target 'gpu' copies other memory to the GPU and back; 'auto' leaves it to the CPU.
bool fits_gpu(const Span& span, Target target) {
  return gpu_backend()->takes(span) && (target == Target::kGpu || in_arenas(span));
}

bool is_gpu(Outcome outcome) { return outcome >= Outcome::kGpuAsked; }

}  // namespace

TreeStep::TreeStep(const std::vector<Span>& spans, Target target, bool measures, Choices* choices)
    : target_(target), measures_(measures) {
  if (measures) measured_ = spans;
  for (const Span& span : spans) {
    if (span.streams[kVelocity]) continue;
    add_without_velocity(span.group);
    for (const GroupRun& run : span.others) add_without_velocity(run.group);
  }
  if (target != Target::kGpu) all_ = cpu_backend().prepare(spans, measures);
  if (target == Target::kCpu) return;
  if (!gpu_backend()) throw GpuFailure(GpuError::kDeviceLost, "there is no GPU");
  split(spans, choices);
}

TreeStep::TreeStep(std::unique_ptr<Prepared> prepared)
    : target_(Target::kCpu), all_(std::move(prepared)) {}

void TreeStep::add_without_velocity(uint8_t group) {
  if (has_velocity(group)) without_velocity_.push_back(group);
}

/// Finds the GPU's spans. Under 'auto' the GPU is not asked before it is tried.
void TreeStep::split(const std::vector<Span>& spans, Choices* choices) {
  std::vector<Span> gpu, rest;
  for (const Span& span : spans) (fits_gpu(span, target_) ? gpu : rest).push_back(span);
  if (target_ == Target::kAuto && measures_ && !rest.empty()) {
    why_cpu_ = Outcome::kCpuWhole;  // one device measures all leaves
    return;
  }
  gpu_.emplace(std::move(gpu), measures_);
  if (!rest.empty()) rest_ = cpu_backend().prepare(rest);
  if (target_ == Target::kGpu) return gpu_->prepare();
  if (gpu_->empty()) {
    why_cpu_ = Outcome::kCpuNoArena;
  } else if (gpu_->traffic() < kMinGpuTraffic) {
    why_cpu_ = Outcome::kCpuSmall;
  } else if (gpu_->exceeds_working_set()) {
    why_cpu_ = Outcome::kCpuTooLarge;
  } else {
    gpu_->keep_arenas();
    choice_ = choices->of({gpu_->traffic(), gpu_->spans(), measures_});
    return;
  }
  gpu_.reset();
  rest_.reset();
}

std::optional<size_t> TreeStep::first_not_finite(const StepSettings& settings) const {
  for (const Span& span : measured_) {
    for (const LeafRun& run : span.leaves)
      if (!is_finite(span, run, settings)) return run.leaf;
  }
  return {};
}

StepReport TreeStep::run(const StepSettings& settings) {
  if (target_ == Target::kGpu) {
    bool is_exact = gpu_->prove_plain();
    is_exact = gpu_->prove_general(settings) && is_exact;
    return run_gpu(settings, is_exact ? Outcome::kGpuAsked : Outcome::kGpuInexact);
  }
  if (!choice_) return {why_cpu_, all_->run(settings)};
  return run_auto(settings);
}

/// Runs where such steps are faster, and times them. The bits are the same either way.
StepReport TreeStep::run_auto(const StepSettings& settings) {
  Choice::Turn turn = choice_->turn();
  Stopwatch watch;
  StepReport report{turn.is_timed ? Outcome::kCpuTimed : Outcome::kCpuFaster, {}};
  if (turn.side == kOnGpu)
    report = try_gpu(settings, turn.is_timed ? Outcome::kGpuTimed : Outcome::kGpuFaster);
  if (!is_gpu(report.outcome)) report.device = all_->run(settings);
  bool ran_there = is_gpu(report.outcome) == (turn.side == kOnGpu);
  if (ran_there && report.device.verdict != Verdict::kSkipped)
    choice_->took(turn.side, watch.seconds(gpu_->traffic()));
  report.times = choice_->times();
  return report;
}

/// The GPU's report, of this outcome. Or why the CPU is to step: it alone is exact, or the GPU
/// failed before it wrote anything.
StepReport TreeStep::try_gpu(const StepSettings& settings, Outcome outcome) {
  if (steps_to_retry > 0) {
    steps_to_retry--;
    return {last_failure, {}};
  }
  try {
    if (!prove_gpu({Dtype::kFloat32}) || !gpu_->prove_plain()) return {Outcome::kCpuExact, {}};
    try {
      if (!gpu_->prove_general(settings)) return {Outcome::kCpuExact, {}};
    } catch (const GpuFailure& failure) {
      if (!is_refusal(failure)) throw;
      return {Outcome::kCpuNoProof, {}};  // of such steps alone: no reason to wait with others
    }
    gpu_->prepare();
    return run_gpu(settings, outcome);
  } catch (const GpuFailure& failure) {
    if (failure.written) throw;
    wait_after(failure);
    return {last_failure, {}};
  }
}

/// The CPU's part comes last: if the GPU fails, those spans are untouched.
StepReport TreeStep::run_gpu(const StepSettings& settings, Outcome outcome) {
  Report report = gpu_->run(settings);
  if (rest_) rest_->run(settings);
  return {outcome, report, rest_ != nullptr};
}

}  // namespace metal_sgd
