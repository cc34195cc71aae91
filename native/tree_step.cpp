#include "tree_step.h"

#include <algorithm>
#include <atomic>

#include "cpu/cpu.h"
#include "proof/proof.h"

namespace metal_sgd {

namespace {

/// Smaller steps never reach a GPU: not even asking for the crossover would pay.
constexpr size_t kMinGpuTraffic = 1 << 20;

/// Steps on the CPU after a GPU's failure, until the next try. A failed try can take milliseconds.
constexpr int kStepsBeforeRetry = 1000;

/// Under 'auto': a failed GPU, which all steps of the process leave alone for some time.
std::atomic<int> steps_to_retry{0};
std::atomic<Outcome> last_failure{Outcome::kCpuGpuFailed};

bool is_refusal(const GpuFailure& failure) {
  return failure.error == GpuError::kSelfTest || failure.error == GpuError::kCompile;
}

void wait_after(const GpuFailure& failure) {
  last_failure = is_refusal(failure) ? Outcome::kCpuRefused : Outcome::kCpuGpuFailed;
  steps_to_retry = kStepsBeforeRetry;
}

template <typename Item>
void add_once(std::vector<Item>& list, Item item) {
  if (std::count(list.begin(), list.end(), item) == 0) list.push_back(item);
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

/// Bytes that a GPU keeps for the float32 sum of several gradients.
size_t sum_bytes(const Span& span) {
  return span.gradients.size() > 1 ? span.count * item_size(Dtype::kFloat32) : 0;
}

/// Whether the arenas of these spans, and their sums, exceed what the GPU can well keep at hand:
/// beyond it, command buffers fail after their commit.
bool exceed_working_set(const std::vector<Span>& spans) {
  std::map<uint64_t, uint64_t> sizes;
  auto count = [&](const Stream& stream) {
    if (stream.arena) sizes[stream.arena->id] = stream.arena->bytes;
  };
  for (const Span& span : spans) {
    std::for_each(span.streams, span.streams + kRoles, count);
    std::for_each(span.gradients.begin(), span.gradients.end(), count);
  }
  uint64_t bytes = 0;
  for (auto& [id, size] : sizes) bytes += size;
  for (const Span& span : spans) bytes += sum_bytes(span);
  return bytes > gpu_backend()->working_set();
}

}  // namespace

TreeStep::TreeStep(const std::vector<Span>& spans, Target target, bool measures)
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
  std::vector<Span> gpu, rest;
  for (const Span& span : spans) (fits_gpu(span, target) ? gpu : rest).push_back(span);
  // One device measures all leaves.
  if (measures && !rest.empty()) {
    is_split_ = true;
    return;
  }
  for (const Span& span : gpu) {
    gpu_traffic_ += traffic(span) + 2 * sum_bytes(span);  // written, and read again
    add_once(gpu_dtypes_, span.dtype());
    if (span.is_plain() && span.others.empty()) {
      add_once(plain_, std::pair(span.dtype(), span.group));
    } else {
      add_once(never_plain_, span.dtype());
    }
  }
  if (target == Target::kGpu) gpu_ = gpu_backend()->prepare(gpu, measures);
  if (target == Target::kAuto && gpu_traffic_ >= kMinGpuTraffic) {
    too_large_ = exceed_working_set(gpu);
    if (!too_large_) prepare_or_keep(gpu);
  }
  if (!rest.empty()) rest_ = cpu_backend().prepare(rest);
}

TreeStep::TreeStep(std::unique_ptr<Prepared> prepared)
    : target_(Target::kCpu), all_(std::move(prepared)) {}

void TreeStep::add_without_velocity(uint8_t group) {
  if (has_velocity(group)) without_velocity_.push_back(group);
}

std::optional<size_t> TreeStep::first_not_finite(const StepSettings& settings) const {
  for (const Span& span : measured_) {
    for (const LeafRun& run : span.leaves)
      if (!is_finite(span, run, settings)) return run.leaf;
  }
  return {};
}

StepReport TreeStep::run(const StepSettings& settings) {
  switch (target_) {
    case Target::kCpu:
      return {Outcome::kCpuAsked, all_->run(settings)};
    case Target::kGpu: {
      bool is_exact = prove_gpu(gpu_dtypes_);
      is_exact = prove_general(settings) && is_exact;
      return run_gpu(settings, is_exact);
    }
    case Target::kAuto:
      break;
  }
  return run_auto(settings);
}

/// Runs on the CPU unless the GPU is proved and faster. The bits are the same either way.
StepReport TreeStep::run_auto(const StepSettings& settings) {
  Outcome why = is_split_             ? Outcome::kCpuWhole
                : gpu_dtypes_.empty() ? Outcome::kCpuNoArena
                : too_large_          ? Outcome::kCpuTooLarge
                                      : Outcome::kCpuSmall;
  if (gpu_ || !unprepared_.empty()) {
    if (steps_to_retry <= 0) {
      StepReport report = try_gpu(settings);
      if (report.outcome >= Outcome::kGpu) return report;
      why = report.outcome;
    } else {
      steps_to_retry--;
      why = last_failure;
    }
  }
  return {why, all_->run(settings)};
}

/// The GPU's report. Or why the CPU is to step: it is faster, alone exact, or the GPU failed before
/// it wrote anything.
StepReport TreeStep::try_gpu(const StepSettings& settings) {
  try {
    if (!prove_gpu({Dtype::kFloat32}) || !prove_gpu(gpu_dtypes_)) return {Outcome::kCpuExact, {}};
    if (static_cast<double>(gpu_traffic_) < gpu_crossover_bytes()) return {Outcome::kCpuSmall, {}};
    bool is_exact = true;
    if (!can_prove_general(settings, is_exact)) return {Outcome::kCpuNoProof, {}};
    if (!is_exact) return {Outcome::kCpuExact, {}};
    if (!gpu_) prepare_unprepared();
    return run_gpu(settings, true);
  } catch (const GpuFailure& failure) {
    if (failure.written) throw;
    wait_after(failure);
    return {last_failure, {}};
  }
}

/// Dtypes of the GPU's spans that this step does not take plainly.
std::vector<Dtype> TreeStep::general_dtypes(const StepSettings& settings) const {
  if (settings.around.measures()) return gpu_dtypes_;
  std::vector<Dtype> dtypes = never_plain_;
  for (auto [dtype, group] : plain_) {
    bool maximize = settings.of(group).maximize;
    if (gradient_params<float>(settings.around, maximize).flags != 0) add_once(dtypes, dtype);
  }
  return dtypes;
}

/// As `prove_gpu`, for what the step needs beyond plain steps.
bool TreeStep::prove_general(const StepSettings& settings) const {
  std::vector<Dtype> dtypes = general_dtypes(settings);
  bool is_exact = prove_gpu(dtypes, Feature::kGeneral);
  if (gradient_params<float>(settings.around, false).flags & kGradientDivide)
    is_exact = prove_gpu(dtypes, Feature::kDivision) && is_exact;
  if (settings.around.measures()) is_exact = prove_gpu(dtypes, Feature::kMeasure) && is_exact;
  return is_exact;
}

/// Leaves the coefficient to the host, if the GPU forms another one.
StepSettings TreeStep::with_host_norm(StepSettings settings) const {
  if (!settings.around.measures()) return settings;
  try {
    prove_gpu({Dtype::kFloat32}, Feature::kCoefficient);
  } catch (const GpuFailure& failure) {
    if (!is_refusal(failure)) throw;
    settings.host_norm = true;
  }
  return settings;
}

/// False if the GPU is refused for such steps alone: no reason to wait with others.
bool TreeStep::can_prove_general(const StepSettings& settings, bool& is_exact) const {
  try {
    is_exact = prove_general(settings);
    return true;
  } catch (const GpuFailure& failure) {
    if (!is_refusal(failure)) throw;
    return false;
  }
}

/// Under 'auto' a failure is no error. The spans wait for the next try, with copies of their
/// arenas, which the caller keeps for the time of this call alone.
void TreeStep::prepare_or_keep(std::vector<Span>& gpu) {
  if (steps_to_retry <= 0) {
    try {
      gpu_ = gpu_backend()->prepare(gpu, measures_);
      return;
    } catch (const GpuFailure& failure) {
      wait_after(failure);
    }
  }
  auto keep = [this](Stream& stream) {
    if (stream.arena)
      stream.arena = &arenas_.emplace(stream.arena->id, *stream.arena).first->second;
  };
  for (Span& span : gpu) {
    std::for_each(span.streams, span.streams + kRoles, keep);
    std::for_each(span.gradients.begin(), span.gradients.end(), keep);
  }
  unprepared_ = std::move(gpu);
}

void TreeStep::prepare_unprepared() {
  gpu_ = gpu_backend()->prepare(unprepared_, measures_);
  unprepared_ = {};
  arenas_.clear();
}

/// The CPU's part comes last: if the GPU fails, those spans are untouched.
StepReport TreeStep::run_gpu(const StepSettings& settings, bool is_exact) {
  Report report = gpu_->run(with_host_norm(settings));
  if (rest_) rest_->run(settings);
  if (!is_exact) return {Outcome::kGpuInexact, report};
  return {rest_ ? Outcome::kGpuAndCpu : Outcome::kGpu, report};
}

}  // namespace metal_sgd
