// One optimizer step on the GPU: copy in what no arena holds, encode, commit, wait, check, copy
// out.
#include <algorithm>
#include <cstring>
#include <optional>

#include "arena.h"

namespace metal_sgd {

namespace {

/// What one dispatch steps: the same count of elements in three buffers.
struct Segment {
  ArenaBuffers::Place parameter, gradient, velocity;
  size_t count;
  Dtype dtype;
  bool vector;
};

/// A run in other memory, and the buffers it is copied through.
struct Staged {
  Run run;
  Owned<id<MTLBuffer>> parameter, gradient, velocity;
};

/// No command buffer moves more than this, so that none holds the GPU for long.
constexpr size_t kMaxTraffic = size_t{2} << 30;
constexpr size_t kMaxStreams = 5;    // with momentum: read w, g, v; write w, v
constexpr size_t kMaxInFlight = 16;  // a queue has 64 command buffers

class MetalStep final : public GpuStep {
 public:
  explicit MetalStep(const std::vector<GpuRun>& runs) {
    @autoreleasepool {
      for (const GpuRun& run : runs) {
        if (run.in_arenas()) {
          add_wrapped(run);
        } else {
          add_staged(run.run);
        }
      }
    }
    in_flight_.reserve(kMaxInFlight);
  }

  void run(const Hyperparameters& given) override {
    // No exception may cross the pool: it would stay open.
    std::optional<MetalFailure> failure;
    @autoreleasepool {
      try {
        run_in_pool(given);
      } catch (const MetalFailure& thrown) {
        failure = thrown;
      }
      in_flight_.clear();
    }
    if (!failure) return;
    MetalDevice::instance().drop_queue();
    throw *failure;
  }

  size_t copied_bytes(const Hyperparameters& given) const override {
    size_t streams = given.momentum > 0 ? 5 : 3, bytes = 0;
    for (const Staged& staged : staged_)
      bytes += staged.run.count * item_size(staged.run.dtype) * streams;
    return bytes;
  }

  double gpu_seconds() const override { return gpu_seconds_; }

 private:
  void add_wrapped(const GpuRun& given);
  void add_staged(const Run& run);
  void run_in_pool(const Hyperparameters& given);
  void encode(id<MTLComputeCommandEncoder> encoder, const Segment& segment,
              SgdParams<float> params);
  void finish();
  void copy_in(bool momentum);
  void copy_out(bool momentum);
  const char* consequence() const {
    return written_ ? "parameters and velocities of this step may be partly written"
                    : "nothing was written";
  }

  std::vector<std::shared_ptr<ArenaBuffers>> arenas_;  // kept alive for the segments
  std::vector<Segment> segments_;
  std::vector<Staged> staged_;
  std::vector<Owned<id<MTLCommandBuffer>>> in_flight_;
  double gpu_seconds_ = 0;
  bool written_ = false;  // some command buffer of this step has been committed
};

Owned<id<MTLBuffer>> staging_buffer(size_t bytes) {
  // Rounded up, so that the vector path's last 16 bytes lie inside.
  Owned<id<MTLBuffer>> buffer([MetalDevice::instance().device()
      newBufferWithLength:(bytes + 255) / 256 * 256
                  options:MTLResourceStorageModeShared]);
  if (!buffer) throw MetalFailure("out-of-memory", "Metal made no staging buffer");
  [buffer.get() setLabel:@"metal-sgd staging"];
  return buffer;
}

/// Elements that one dispatch may step; far below the 2^32 that a thread's position can count.
size_t max_elements(Dtype dtype) {
  return kMaxTraffic / kMaxStreams / item_size(dtype) / 256 * 256;
}

size_t traffic_of(const Segment& segment) {
  return segment.count * item_size(segment.dtype) * kMaxStreams;
}

ArenaBuffers::Place start_of(const Owned<id<MTLBuffer>>& buffer) {
  return {buffer.get(), 0, [buffer.get() length]};
}

bool is_aligned(const ArenaBuffers::Place& place) { return place.offset % kVectorBytes == 0; }

void MetalStep::add_wrapped(const GpuRun& given) {
  Run run = given.run;
  auto parameter = ArenaBuffers::wrap(*given.parameter),
       gradient = ArenaBuffers::wrap(*given.gradient);
  auto velocity = given.velocity ? ArenaBuffers::wrap(*given.velocity) : nullptr;
  size_t item = item_size(run.dtype);
  while (run.count > 0) {
    Segment segment{parameter->place(run.parameter),
                    gradient->place(run.gradient),
                    {nil, 0, SIZE_MAX},
                    0,
                    run.dtype,
                    false};
    if (velocity) segment.velocity = velocity->place(run.velocity);
    size_t room =
        std::min({segment.parameter.room, segment.gradient.room, segment.velocity.room}) / item;
    // Correct windows never come to this; wrong ones would grow the list without end.
    if (room == 0) throw MetalFailure("page-fault", "a leaf lies outside its arena's buffers");
    segment.count = std::min({run.count, max_elements(run.dtype), room});
    segment.vector = is_aligned(segment.parameter) && is_aligned(segment.gradient) &&
                     is_aligned(segment.velocity);
    segments_.push_back(segment);
    run.parameter = static_cast<char*>(run.parameter) + segment.count * item;
    run.gradient = static_cast<const char*>(run.gradient) + segment.count * item;
    if (velocity) run.velocity = static_cast<char*>(run.velocity) + segment.count * item;
    run.count -= segment.count;
  }
  for (auto& arena : {parameter, gradient, velocity}) {
    if (arena && (arenas_.empty() || arenas_.back() != arena)) arenas_.push_back(arena);
  }
}

void MetalStep::add_staged(const Run& run) {
  size_t bytes = run.count * item_size(run.dtype);
  size_t limit = std::min<size_t>([MetalDevice::instance().device() maxBufferLength] / 256 * 256,
                                  max_elements(run.dtype) * item_size(run.dtype));
  for (size_t start = 0; start < bytes; start += limit) {
    size_t part = std::min(limit, bytes - start);
    Staged staged{
        {static_cast<char*>(run.parameter) + start, static_cast<const char*>(run.gradient) + start,
         run.velocity ? static_cast<char*>(run.velocity) + start : nullptr,
         part / item_size(run.dtype), run.dtype},
        staging_buffer(part),
        staging_buffer(part),
        {}};
    if (run.velocity) staged.velocity = staging_buffer(part);
    ArenaBuffers::Place velocity =
        run.velocity ? start_of(staged.velocity) : ArenaBuffers::Place{nil, 0, 0};
    segments_.push_back({start_of(staged.parameter), start_of(staged.gradient), velocity,
                         staged.run.count, run.dtype, true});
    staged_.push_back(std::move(staged));
  }
}

void MetalStep::copy_in(bool momentum) {
  for (const Staged& staged : staged_) {
    size_t bytes = staged.run.count * item_size(staged.run.dtype);
    std::memcpy([staged.parameter.get() contents], staged.run.parameter, bytes);
    std::memcpy([staged.gradient.get() contents], staged.run.gradient, bytes);
    if (momentum) std::memcpy([staged.velocity.get() contents], staged.run.velocity, bytes);
  }
}

void MetalStep::copy_out(bool momentum) {
  for (const Staged& staged : staged_) {
    size_t bytes = staged.run.count * item_size(staged.run.dtype);
    std::memcpy(staged.run.parameter, [staged.parameter.get() contents], bytes);
    if (momentum) std::memcpy(staged.run.velocity, [staged.velocity.get() contents], bytes);
  }
}

void MetalStep::encode(id<MTLComputeCommandEncoder> encoder, const Segment& segment,
                       SgdParams<float> params) {
  bool momentum = params.flags & kSgdMomentum;
  id<MTLComputePipelineState> pipeline =
      MetalDevice::instance().pipeline({segment.dtype, segment.vector, momentum});
  [encoder setComputePipelineState:pipeline];
  [encoder setBuffer:segment.parameter.buffer offset:segment.parameter.offset atIndex:0];
  [encoder setBuffer:segment.gradient.buffer offset:segment.gradient.offset atIndex:1];
  if (momentum)
    [encoder setBuffer:segment.velocity.buffer offset:segment.velocity.offset atIndex:2];
  params.count = static_cast<uint32_t>(segment.count);
  [encoder setBytes:&params length:sizeof params atIndex:3];
  size_t per_thread = segment.vector ? kVectorBytes / item_size(segment.dtype) : 1;
  size_t threads = (segment.count + per_thread - 1) / per_thread;
  // A larger group than the pipeline takes would be dropped by the driver without an error.
  NSUInteger group = std::min(kThreadsPerGroup, [pipeline maxTotalThreadsPerThreadgroup]);
  [encoder dispatchThreads:MTLSizeMake(threads, 1, 1)
      threadsPerThreadgroup:MTLSizeMake(group, 1, 1)];
}

void MetalStep::run_in_pool(const Hyperparameters& given) {
  MetalDevice& device = MetalDevice::instance();
  SgdParams<float> params = sgd_params<float>(given);
  bool momentum = params.flags & kSgdMomentum;
  gpu_seconds_ = 0;
  written_ = false;
  // Everything that can fail for want of a pipeline fails before anything is written.
  for (const Segment& segment : segments_)
    device.pipeline({segment.dtype, segment.vector, momentum});
  Owned<id<MTLCommandQueue>> queue = device.queue();
  copy_in(momentum);
  for (size_t i = 0; i < segments_.size();) {
    if (in_flight_.size() == kMaxInFlight) finish();
    id<MTLCommandBuffer> commands = [queue.get() commandBuffer];
    id<MTLComputeCommandEncoder> encoder =
        [commands computeCommandEncoderWithDispatchType:MTLDispatchTypeConcurrent];
    if (!encoder) {
      finish();
      throw MetalFailure("out-of-memory", "Metal made no command buffer", consequence());
    }
    [commands setLabel:@"metal-sgd step"];
    size_t traffic = 0;
    do {
      encode(encoder, segments_[i], params);
      traffic += traffic_of(segments_[i]);
      i++;
    } while (i < segments_.size() && traffic + traffic_of(segments_[i]) <= kMaxTraffic);
    [encoder endEncoding];
    in_flight_.push_back(Owned<id<MTLCommandBuffer>>::retained(commands));
    [commands commit];
    written_ = true;
  }
  finish();
  copy_out(momentum);
}

/// Waits for every command buffer in flight; then throws if one failed.
void MetalStep::finish() {
  for (auto& commands : in_flight_) [commands.get() waitUntilCompleted];
  for (auto& commands : in_flight_) {
    id<MTLCommandBuffer> done = commands.get();
    if ([done status] != MTLCommandBufferStatusCompleted) {
      throw failure_of([done error], consequence());
    }
    gpu_seconds_ += [done GPUEndTime] - [done GPUStartTime];
  }
  in_flight_.clear();
}

}  // namespace

std::unique_ptr<GpuStep> prepare_gpu_step(const std::vector<GpuRun>& runs) {
  return std::make_unique<MetalStep>(runs);
}

}  // namespace metal_sgd
