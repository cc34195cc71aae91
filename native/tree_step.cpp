#include "tree_step.h"

#include <algorithm>

#include "cpu/cpu.h"

namespace metal_sgd {

namespace {

constexpr size_t kStreams = 5;
/// Smaller steps never reach a GPU: not even asking for the crossover would pay.
constexpr size_t kMinGpuTraffic = 1 << 20;

bool fits_gpu(const GpuRun& run, Target target) {
  return run.run.dtype != Dtype::kFloat64 && (target == Target::kGpu || run.in_arenas());
}

std::vector<Run> plain(const std::vector<GpuRun>& runs) {
  std::vector<Run> list;
  for (const GpuRun& run : runs) list.push_back(run.run);
  return list;
}

}  // namespace

TreeStep::TreeStep(const std::vector<GpuRun>& runs, Target target)
    : target_(target), has_velocity_(std::all_of(runs.begin(), runs.end(), [](const GpuRun& run) {
        return run.run.velocity != nullptr;
      })) {
  if (target != Target::kGpu) all_ = prepare_cpu_step(plain(runs));
  if (target == Target::kCpu) return;
  auto fits = [&](const GpuRun& run) { return fits_gpu(run, target); };
  std::vector<GpuRun> gpu, rest;
  std::partition_copy(runs.begin(), runs.end(), std::back_inserter(gpu), std::back_inserter(rest),
                      fits);
  for (const GpuRun& run : gpu) {
    gpu_traffic_ += run.run.count * item_size(run.run.dtype) * kStreams;
    if (std::count(gpu_dtypes_.begin(), gpu_dtypes_.end(), run.run.dtype) == 0) {
      gpu_dtypes_.push_back(run.run.dtype);
    }
  }
  if (target == Target::kGpu || gpu_traffic_ >= kMinGpuTraffic) gpu_ = prepare_gpu_step(gpu);
  if (!rest.empty()) rest_ = prepare_cpu_step(plain(rest));
}

StepReport TreeStep::run(const StepSettings& settings) {
  switch (target_) {
    case Target::kCpu:
      all_->run(settings);
      return {Ran::kCpuAsked, 0, 0};
    case Target::kGpu:
      make_gpu_ready(gpu_dtypes_);
      return run_gpu(settings);
    case Target::kAuto:
      break;
  }
  return run_auto(settings);
}

/// On the CPU unless the GPU is proved and faster. Its bits are the same, so nobody can tell.
StepReport TreeStep::run_auto(const StepSettings& settings) {
  Ran why = gpu_dtypes_.empty() ? Ran::kCpuNoArena : Ran::kCpuSmall;
  if (gpu_) {
    try {
      make_gpu_ready({Dtype::kFloat32});
      make_gpu_ready(gpu_dtypes_);
      if (static_cast<double>(gpu_traffic_) >= gpu_crossover_bytes()) return run_gpu(settings);
    } catch (const MetalFailure& failure) {
      if (failure.code != "self-test" && failure.code != "compile") throw;
      why = Ran::kCpuRefused;
    }
  }
  all_->run(settings);
  return {why, 0, 0};
}

/// The CPU's part comes last: where the GPU fails, those leaves are untouched.
StepReport TreeStep::run_gpu(const StepSettings& settings) {
  size_t copied = gpu_->copied_bytes(settings.hyperparameters);
  gpu_->run(settings.hyperparameters);
  if (rest_) rest_->run(settings);
  return {rest_ ? Ran::kGpuAndCpu : Ran::kGpu, copied, gpu_->gpu_seconds()};
}

}  // namespace metal_sgd
