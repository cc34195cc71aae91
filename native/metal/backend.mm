// The Metal backend. One step: copies in what no arena holds, encodes, commits, waits, checks,
// copies out.
#include <algorithm>
#include <optional>
#include <thread>

#include "cpu/arch.h"
#include "norm.h"
#include "system/switches.h"

namespace metal_sgd {

namespace {

constexpr size_t kMaxInFlight = 16;  // a queue has 64 command buffers

/// Looks at the status before a thread blocks: waking a blocked one takes longer than a small step.
/// Counts are those of JuliaGPU/Metal.jl's src/synchronization.jl.
constexpr int kLooks = 256, kLooksWithPause = 32;

void look_until_done(id<MTLCommandBuffer> commands) {
  for (int i = 0; i < kLooks && [commands status] < MTLCommandBufferStatusCompleted; i++) {
    if (i < kLooksWithPause) {
      cpu_pause();
    } else {
      std::this_thread::yield();
    }
  }
}

/// Runs work in an autorelease pool. No exception may leave the pool: it would stay open.
template <typename Work>
void in_pool(Work work) {
  std::optional<GpuFailure> failure;
  @autoreleasepool {
    try {
      work();
    } catch (const GpuFailure& thrown) {
      failure = thrown;
    }
  }
  if (failure) throw *failure;
}

class MetalStep final : public Prepared {
 public:
  MetalStep(const std::vector<Span>& spans, bool measures) {
    in_pool([&] {
      for (const Span& span : spans) segments_.add(span);
      segments_.make_sums();
      if (measures && !segments_.all().empty()) norm_.emplace(segments_.all());
    });
    in_flight_.reserve(kMaxInFlight);
  }

  Report run(const StepSettings& settings) override {
    report_ = {};
    if (settings.around.measures()) report_.measure = {0, 0};  // of no element
    try {
      in_pool([&] { step_in_pool(settings); });
    } catch (const GpuFailure&) {
      in_flight_.clear();
      MetalDevice::instance().drop_queue();
      throw;
    }
    return report_;
  }

 private:
  /// A command buffer and its one encoder, in which dispatches overlap.
  struct Commands {
    id<MTLCommandBuffer> buffer;
    id<MTLComputeCommandEncoder> encoder;
  };

  void step_in_pool(const StepSettings& settings);
  void compile(const StepSettings& settings) const;
  void measure(const StepSettings& settings);
  void step(const StepSettings& settings, bool is_measured);
  Commands open();
  void commit(Commands commands);
  void finish();
  /// True if one command buffer measures and steps.
  bool is_one(const StepSettings& settings) const {
    return !settings.host_norm && segments_.batch_end(0) == segments_.all().size();
  }
  /// The norm, if the step measures one and there is any segment.
  MetalNorm* norm(const StepSettings& settings) {
    return norm_ && settings.around.measures() ? &*norm_ : nullptr;
  }

  Segments segments_;
  std::optional<MetalNorm> norm_;
  Owned<id<MTLCommandQueue>> queue_;
  std::vector<Owned<id<MTLCommandBuffer>>> in_flight_;
  Report report_;
  bool written_ = false;  // this step has committed a command buffer that steps
};

void MetalStep::step_in_pool(const StepSettings& settings) {
  auto momentum = [&](const Segment& segment) { return uses_momentum(segment, settings); };
  written_ = false;
  compile(settings);
  queue_ = MetalDevice::instance().queue();
  report_.copied_bytes += segments_.copy_in(momentum);
  MetalNorm* norm = this->norm(settings);
  if (norm && !is_one(settings)) measure(settings);
  step(settings, norm && !is_one(settings));
  finish();
  if (norm) {
    Report measured = norm->read();
    report_.verdict = measured.verdict;
    report_.measure = measured.measure;
  }
  if (report_.verdict != Verdict::kSkipped) report_.copied_bytes += segments_.copy_out(momentum);
}

/// Everything that can fail for want of a pipeline fails before anything is written.
void MetalStep::compile(const StepSettings& settings) const {
  for (const Segment& segment : segments_.all()) compile_pipelines(segment, settings);
  if (settings.around.measures()) compile_norm();
}

/// Measures all segments, in command buffers of their own.
void MetalStep::measure(const StepSettings& settings) {
  const std::vector<Segment>& segments = segments_.all();
  for (size_t i = 0; i < segments.size();) {
    Commands commands = open();
    size_t end = segments_.batch_end(i);
    encode_sums(commands.encoder, &segments[i], segments.data() + end);
    norm_->encode_lanes(commands.encoder, i, end, settings);
    if (end == segments.size()) norm_->encode_levels(commands.encoder);
    if (end == segments.size() && !settings.host_norm)
      norm_->encode_finish(commands.encoder, settings.around);
    commit(commands);
    i = end;
  }
  if (!settings.host_norm) return;
  finish();
  norm_->finish_on_host(settings.around);
}

/// Steps all segments.
void MetalStep::step(const StepSettings& settings, bool is_measured) {
  const std::vector<Segment>& segments = segments_.all();
  MetalNorm* norm = this->norm(settings);
  for (size_t i = 0; i < segments.size();) {
    Commands commands = open();
    size_t end = segments_.batch_end(i);
    encode_sums(commands.encoder, &segments[i], segments.data() + end);
    if (norm && !is_measured) {
      norm->encode_lanes(commands.encoder, i, end, settings);
      norm->encode_levels(commands.encoder);
      norm->encode_finish(commands.encoder, settings.around);
    }
    for (; i < end; i++)
      encode_step(commands.encoder, segments[i], settings, norm ? norm->result() : Placed{});
    commit(commands);
    written_ = true;
  }
}

MetalStep::Commands MetalStep::open() {
  if (in_flight_.size() == kMaxInFlight) finish();
  id<MTLCommandBuffer> buffer = [queue_.get() commandBuffer];
  id<MTLComputeCommandEncoder> encoder =
      [buffer computeCommandEncoderWithDispatchType:MTLDispatchTypeConcurrent];
  if (!encoder) {
    finish();
    throw GpuFailure(GpuError::kOutOfMemory, "Metal made no command buffer", written_);
  }
  [buffer setLabel:@"metal-sgd step"];
  return {buffer, encoder};
}

void MetalStep::commit(Commands commands) {
  [commands.encoder endEncoding];
  in_flight_.push_back(Owned<id<MTLCommandBuffer>>::retained(commands.buffer));
  [commands.buffer commit];
}

/// Waits for every command buffer in flight, then throws if one failed.
void MetalStep::finish() {
  if (!in_flight_.empty() && !is_on(Switch::kBlock)) look_until_done(in_flight_.back().get());
  for (auto& commands : in_flight_) [commands.get() waitUntilCompleted];
  for (auto& commands : in_flight_) {
    id<MTLCommandBuffer> done = commands.get();
    if ([done status] != MTLCommandBufferStatusCompleted) {
      throw failure_of([done error], written_);
    }
    report_.gpu_seconds += [done GPUEndTime] - [done GPUStartTime];
  }
  in_flight_.clear();
}

class MetalBackend final : public Backend {
 public:
  /// Metal has no double.
  bool takes(const Span& span) const override { return span.dtype() != Dtype::kFloat64; }
  uint64_t working_set() const override { return gpu_devices().front().recommended_working_set; }
  std::unique_ptr<Prepared> prepare(const std::vector<Span>& spans, bool measures) override {
    return std::make_unique<MetalStep>(spans, measures);
  }
};

}  // namespace

Backend* gpu_backend() {
  static Backend* backend = [] {
    return gpu_devices().empty() ? nullptr : new MetalBackend;  // leaked, as the device
  }();
  return backend;
}

}  // namespace metal_sgd
