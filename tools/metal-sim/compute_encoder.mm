// Compute encoders: state while encoding. What a dispatch must fulfil is in dispatch_rules.mm.
#import "sim_classes.h"

#include "dispatch_rules.h"
#include "report.h"

using namespace metal_sim;

@implementation SimComputeEncoder

- (instancetype)initWithCommandBuffer:(SimCommandBuffer*)commandBuffer
                               number:(int)number
                           concurrent:(bool)concurrent {
  self = [super initWithKind:Kind::kComputeCommandEncoder];
  command_buffer_ = [commandBuffer retain];
  bindings_ = new std::array<Binding, kMaxBuffers>;
  number_ = number;
  concurrent_ = concurrent;
  return self;
}

- (void)dealloc {
  CallTimer timed;
  if (!ended_)
    violation("C3", "Command encoder released without endEncoding: %s", describe(self).c_str());
  delete bindings_;
  [pipeline_ release];
  [command_buffer_ release];
  [super dealloc];
}

- (void)requireOpen:(SEL)call {
  if (ended_)
    violation("C6", "%s on %s, which was ended", sel_getName(call), describe(self).c_str());
}

- (Binding&)bindingAt:(NSUInteger)index {
  if (index >= kMaxBuffers) violation("E4", "index(%zu) must be < %u.", index, kMaxBuffers);
  return (*bindings_)[index];
}

- (void)requireDevice:(id<MTLDevice>)device of:(SimObject*)object {
  if (device == [command_buffer_ device]) return;
  violation("E12", "%s belongs to another device than %s", describe(object).c_str(),
            describe(command_buffer_).c_str());
}

- (void)setComputePipelineState:(id<MTLComputePipelineState>)state {
  CallTimer timed;
  [self requireOpen:_cmd];
  SimPipeline* pipeline = static_cast<SimPipeline*>(state);
  if (!pipeline) violation("E1", "setComputePipelineState: nil");
  [self requireDevice:[pipeline device] of:pipeline];
  [pipeline retain];
  [pipeline_ release];
  pipeline_ = pipeline;
}

- (void)setBuffer:(id<MTLBuffer>)buffer offset:(NSUInteger)offset atIndex:(NSUInteger)index {
  CallTimer timed;
  [self requireOpen:_cmd];
  Binding& binding = [self bindingAt:index];
  binding = {};
  if (!buffer) return;
  SimBuffer* bound = static_cast<SimBuffer*>(buffer);
  [self requireDevice:[bound device] of:bound];
  binding.memory = [bound memory];
  [command_buffer_ use:bound];
  [self setBufferOffset:offset atIndex:index];
}

- (void)setBufferOffset:(NSUInteger)offset atIndex:(NSUInteger)index {
  [self requireOpen:_cmd];
  Binding& binding = [self bindingAt:index];
  if (!binding.memory) violation("E9", "setBufferOffset: no buffer is bound at index %zu", index);
  if (offset >= binding.memory->length()) {
    violation("E5", "offset(%zu) must be < [buffer length](%zu) at index %zu.", offset,
              binding.memory->length(), index);
  }
  binding.offset = offset;
}

- (void)setBytes:(const void*)bytes length:(NSUInteger)length atIndex:(NSUInteger)index {
  CallTimer timed;
  [self requireOpen:_cmd];
  constexpr NSUInteger kMaxBytes = 4096;
  if (length == 0 || length > kMaxBytes) {
    violation("E7", "setBytes: length(%zu) must be 1 to %zu.", length, kMaxBytes);
  }
  ++counters().setBytesCalls;
  counters().setBytesBytes += length;
  const uint8_t* first = static_cast<const uint8_t*>(bytes);
  [self bindingAt:index] = {nullptr, 0, std::vector<uint8_t>(first, first + length)};
}

- (void)memoryBarrierWithScope:(MTLBarrierScope)scope {
  [self requireOpen:_cmd];
  if (!concurrent_) violation("P7", "memoryBarrierWithScope: ignored in a serial encoder");
  if (scope & MTLBarrierScopeBuffers) ++epoch_;
  ++counters().barriers;
}

- (void)dispatchThreads:(MTLSize)grid threadsPerThreadgroup:(MTLSize)group {
  CallTimer timed;
  [self requireOpen:_cmd];
  if (!pipeline_)
    violation("E1", "dispatchThreads without a pipeline in %s", describe(self).c_str());
  check_sizes(pipeline_, grid, group);
  Dispatch dispatch{[pipeline_ kernels],
                    [pipeline_ index],
                    [pipeline_ fastMath],
                    {},
                    grid.width,
                    static_cast<uint32_t>(group.width),
                    number_,
                    epoch_,
                    concurrent_};
  const Kernel& kernel = dispatch.description();
  for (size_t i = 0; i < kernel.argument_count; ++i) {
    const Binding& binding = (*bindings_)[kernel.arguments[i].index];
    check_argument(kernel, kernel.arguments[i], binding);
    dispatch.bindings.push_back(binding);
    if (!binding.memory) continue;
    ++counters().buffersBound;
    counters().bytesBound += binding.length();
  }
  ++counters().dispatches;
  counters().threads += grid.width;
  [command_buffer_ record:std::move(dispatch) needing:pipeline_];
}

- (void)endEncoding {
  CallTimer timed;
  if (ended_) violation("C7", "endEncoding twice on %s", describe(self).c_str());
  ended_ = true;
  [command_buffer_ encoderEnded];
}

@end
