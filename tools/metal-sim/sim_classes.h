// The classes behind Metal's protocols. Each is in the file of its subject.
#ifndef METAL_SGD_TEST_METAL_SIM_CLASSES_H_
#define METAL_SGD_TEST_METAL_SIM_CLASSES_H_

#import <Metal/Metal.h>

#include <array>
#include <memory>

#include "flights.h"
#include "profiles.h"
#import "sim_object.h"
#include "timeline.h"
#import "undeclared.h"

@interface SimDevice : SimObject <MTLDevice> {
  const metal_sim::Profile* profile_;
  int number_;
}
- (instancetype)initWithProfile:(const metal_sim::Profile*)profile number:(int)number;
// Not in Metal.h:
- (NSUInteger)currentAllocatedSize;
- (id<MTLCommandQueue>)newCommandQueueWithMaxCommandBufferCount:(NSUInteger)capacity;
@end

@interface SimBuffer : SimObject <MTLBuffer> {
  SimDevice* device_;
  std::shared_ptr<metal_sim::BufferMemory>* memory_;
  void (^deallocator_)(void*, NSUInteger);
  bool wrapped_;
}
/// Memory of its own, zeroed.
- (instancetype)initWithDevice:(SimDevice*)device
                        length:(NSUInteger)length
                       options:(MTLResourceOptions)options;
/// The caller's memory.
- (instancetype)initWithDevice:(SimDevice*)device
                         bytes:(void*)bytes
                        length:(NSUInteger)length
                       options:(MTLResourceOptions)options
                   deallocator:(void (^)(void*, NSUInteger))deallocator;
- (SimDevice*)device;
- (const std::shared_ptr<metal_sim::BufferMemory>&)memory;
@end

@interface SimLibrary : SimObject <MTLLibrary> {
  SimDevice* device_;
  const metal_sim::KernelLibrary* kernels_;
  bool fast_math_;
}
- (instancetype)initWithDevice:(SimDevice*)device
                       kernels:(const metal_sim::KernelLibrary*)kernels
                      fastMath:(bool)fastMath;
- (NSArray*)functionNames;  // not in Metal.h
@end

@interface SimFunction : SimObject <MTLFunction> {
  SimDevice* device_;
  const metal_sim::KernelLibrary* kernels_;
  size_t index_;
  bool fast_math_;
}
- (instancetype)initWithDevice:(SimDevice*)device
                       kernels:(const metal_sim::KernelLibrary*)kernels
                         index:(size_t)index
                      fastMath:(bool)fastMath;
- (SimDevice*)device;
- (const metal_sim::KernelLibrary*)kernels;
- (size_t)index;
- (bool)fastMath;
@end

@interface SimPipeline : SimObject <MTLComputePipelineState> {
  SimDevice* device_;
  const metal_sim::KernelLibrary* kernels_;
  size_t index_;
  bool fast_math_;
}
- (instancetype)initWithFunction:(SimFunction*)function;
- (id<MTLDevice>)device;
- (const metal_sim::KernelLibrary*)kernels;
- (size_t)index;
- (bool)fastMath;
@end

@class SimCommandBuffer;
struct CommandQueuePlaces;

@interface SimCommandQueue : SimObject <MTLCommandQueue> {
  SimDevice* device_;
  CommandQueuePlaces* places_;
  std::shared_ptr<metal_sim::Timeline>* timeline_;
}
- (instancetype)initWithDevice:(SimDevice*)device capacity:(NSUInteger)capacity;
- (SimDevice*)device;
/// Gives back the place that an unfinished command buffer takes.
- (void)forget:(uint64_t)commandBuffer;
- (void)submit:(metal_sim::Job)job;
- (id<MTLCommandBuffer>)commandBufferWithUnretainedReferences;  // not in Metal.h
@end

struct CommandBufferState;

@interface SimCommandBuffer : SimObject <MTLCommandBuffer> {
  SimCommandQueue* queue_;
  bool retains_;
  CommandBufferState* state_;
}
- (instancetype)initWithQueue:(SimCommandQueue*)queue retained:(bool)retained;
- (SimDevice*)device;
- (void)record:(metal_sim::Dispatch)dispatch needing:(SimPipeline*)pipeline;
/// An object that an encoder was given.
- (void)use:(SimObject*)object;
- (void)encoderEnded;
// Not in Metal.h:
- (BOOL)retainedReferences;
- (id<MTLComputeCommandEncoder>)computeCommandEncoder;
- (void)addCompletedHandler:(MTLCommandBufferHandler)block;
@end

@interface SimComputeEncoder : SimObject <MTLComputeCommandEncoder> {
  SimCommandBuffer* command_buffer_;
  SimPipeline* pipeline_;
  std::array<metal_sim::Binding, metal_sim::kMaxBuffers>* bindings_;
  int number_;
  int epoch_;
  bool concurrent_;
  bool ended_;
}
- (instancetype)initWithCommandBuffer:(SimCommandBuffer*)commandBuffer
                               number:(int)number
                           concurrent:(bool)concurrent;
// Not in Metal.h:
- (void)setBufferOffset:(NSUInteger)offset atIndex:(NSUInteger)index;
@end

namespace metal_sim {

NSError* make_error(NSString* domain, NSInteger code, const std::string& text);

/// Metal's own words for a command buffer that failed, unless the fault brings its own.
NSError* command_buffer_error(const Fault& fault);

}  // namespace metal_sim

#endif  // METAL_SGD_TEST_METAL_SIM_CLASSES_H_
