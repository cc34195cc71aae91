// The Metal backend. One step: copies in what no arena holds, encodes, commits, waits, checks,
// copies out.
#include <algorithm>
#include <optional>

#include "encoding.h"

namespace metal_sgd {

namespace {

constexpr size_t kMaxInFlight = 16;  // a queue has 64 command buffers

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
  explicit MetalStep(const std::vector<Span>& spans) {
    in_pool([&] {
      for (const Span& span : spans) segments_.add(span);
      segments_.make_sums();
    });
    in_flight_.reserve(kMaxInFlight);
  }

  Report run(const StepSettings& settings) override {
    report_ = {};
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
  void step_in_pool(const StepSettings& settings);
  void finish();
  Segments segments_;
  std::vector<Owned<id<MTLCommandBuffer>>> in_flight_;
  Report report_;
  bool written_ = false;  // this step has committed a command buffer
};

void MetalStep::step_in_pool(const StepSettings& settings) {
  MetalDevice& device = MetalDevice::instance();
  auto momentum = [&](const Segment& segment) { return uses_momentum(segment, settings); };
  written_ = false;
  // Everything that can fail for want of a pipeline fails before anything is written.
  const std::vector<Segment>& segments = segments_.all();
  for (const Segment& segment : segments) compile_pipelines(segment, settings);
  Owned<id<MTLCommandQueue>> queue = device.queue();
  report_.copied_bytes += segments_.copy_in(momentum);
  for (size_t i = 0; i < segments.size();) {
    if (in_flight_.size() == kMaxInFlight) finish();
    id<MTLCommandBuffer> commands = [queue.get() commandBuffer];
    id<MTLComputeCommandEncoder> encoder =
        [commands computeCommandEncoderWithDispatchType:MTLDispatchTypeConcurrent];
    if (!encoder) {
      finish();
      throw GpuFailure(GpuError::kOutOfMemory, "Metal made no command buffer", written_);
    }
    [commands setLabel:@"metal-sgd step"];
    size_t end = segments_.batch_end(i);
    encode_sums(encoder, &segments[i], segments.data() + end);
    for (; i < end; i++) encode_step(encoder, segments[i], settings);
    [encoder endEncoding];
    in_flight_.push_back(Owned<id<MTLCommandBuffer>>::retained(commands));
    [commands commit];
    written_ = true;
  }
  finish();
  report_.copied_bytes += segments_.copy_out(momentum);
}

/// Waits for every command buffer in flight, then throws if one failed.
void MetalStep::finish() {
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
  std::unique_ptr<Prepared> prepare(const std::vector<Span>& spans) override {
    return std::make_unique<MetalStep>(spans);
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
