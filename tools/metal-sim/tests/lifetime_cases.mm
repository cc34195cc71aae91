// Rules B6 to B8, B11 to B13, Q1 to Q3: who lives how long, and who shares memory.
#import "harness.h"

#include <sys/mman.h>

#include <thread>

#include "sim_control.h"

namespace {

constexpr unsigned kCount = 4096;

Work begin_unretained() {
  SimCommandBuffer* commands = unretained_commands_of(queue());
  CHECK(![commands retainedReferences]);
  return {commands, encoder_of(commands)};
}

void commit(const Work& work) {
  [work.encoder endEncoding];
  [work.commands commit];
}

/// A step on its own memory but the given target.
Work step_on(id<MTLBuffer> y, id<MTLCommandQueue> on = nil) {
  SimCommandBuffer* commands = commands_of(on ? on : queue());
  Work work{commands, encoder_of(commands)};
  encode_scale(work, y, wrap(pages(kCount, 0), kCount), kCount);
  commit(work);
  return work;
}

}  // namespace

BREAKS("B6", unretained_buffer_released_in_flight) {
  configure("{\"stepLatencyMs\":200}");
  Work work = begin_unretained();
  id<MTLBuffer> y = wrap(pages(kCount, 0), kCount);
  encode_scale(work, y, wrap(pages(kCount, 0), kCount), kCount);
  commit(work);
  [y release];
}

BREAKS("B6", unretained_pipeline_released_in_flight) {
  configure("{\"stepLatencyMs\":200}");
  id<MTLComputePipelineState> state = pipeline("good", "scale_scalar");
  @autoreleasepool {
    Work work = begin_unretained();
    [work.encoder setComputePipelineState:state];
    bind(work, wrap(pages(kCount, 0), kCount), wrap(pages(kCount, 0), kCount));
    set_scale(work, {1, 0, kCount});
    [work.encoder dispatchThreads:MTLSizeMake(1, 1, 1) threadsPerThreadgroup:MTLSizeMake(1, 1, 1)];
    commit(work);
  }
  [state release];
}

BREAKS("B6", memory_unmapped_in_flight) {
  configure("{\"stepLatencyMs\":100}");
  float* y = pages(kCount, 0);
  Work work = step_on(wrap(y, kCount));
  munmap(y, kTestPage);
  [work.commands waitUntilCompleted];
}

BREAKS("B7", destroyed_buffer_committed) {
  Work work = begin_unretained();
  id<MTLBuffer> y = wrap(pages(kCount, 0), kCount);
  encode_scale(work, y, wrap(pages(kCount, 0), kCount), kCount);
  [y release];
  commit(work);
}

WORKS(deallocator_runs_once_after_the_last_use) {
  configure("{\"stepLatencyMs\":100}");
  float* y = pages(kCount, 0);
  __block int calls = 0;
  __block bool as_given = false;
  id<MTLBuffer> buffer =
      [device() newBufferWithBytesNoCopy:y
                                  length:kTestPage
                                 options:kUntracked
                             deallocator:^(void* pointer, NSUInteger length) {
                               ++calls;
                               as_given = pointer == y && length == kTestPage && y[0] == 1;
                             }];
  @autoreleasepool {
    Work work = step_on(buffer);
    [buffer release];
    CHECK(calls == 0);
    [work.commands waitUntilCompleted];
  }
  metal_sim_drain();
  CHECK(calls == 1 && as_given);
}

BREAKS("B11", two_buffers_over_one_memory_in_a_command_buffer) {
  float* memory = pages(kCount, 0);
  Work work = begin();
  encode_scale(work, wrap(memory, kCount), wrap(memory, kCount), 10);
  finish(work);
}

BREAKS("B11", two_buffers_over_one_memory_in_flight) {
  configure("{\"stepLatencyMs\":100}");
  float* memory = pages(2 * kCount, 0);
  step_on(wrap(memory, 2 * kCount));
  step_on(wrap(memory + kCount, kCount), [device() newCommandQueue]);
}

WORKS(two_read_only_buffers_over_one_memory) {
  float* memory = pages(kCount, 0);
  for (int i = 0; i < 2; ++i) {
    Work work = begin();
    encode_scale(work, wrap(pages(kCount, 0), kCount), wrap(memory, kCount), kCount);
    commit(work);
  }
  metal_sim_drain();
}

BREAKS("B12", untracked_buffer_in_two_command_buffers) {
  configure("{\"stepLatencyMs\":100}");
  id<MTLBuffer> y = wrap(pages(kCount, 0), kCount);
  step_on(y);
  step_on(y);
  metal_sim_drain();
}

BREAKS("B12", tracked_buffer_in_two_queues) {
  configure("{\"stepLatencyMs\":100}");
  id<MTLBuffer> y = wrap(pages(kCount, 0), kCount, MTLResourceHazardTrackingModeTracked);
  step_on(y);
  step_on(y, [device() newCommandQueue]);
  metal_sim_drain();
}

WORKS(tracked_buffer_in_two_command_buffers) {
  configure("{\"stepLatencyMs\":20}");
  float* y = pages(kCount, 0);
  id<MTLBuffer> target = wrap(y, kCount, MTLResourceHazardTrackingModeTracked);
  id<MTLBuffer> source = wrap(pages(kCount, 3), kCount, MTLResourceHazardTrackingModeTracked);
  Work first = begin();
  encode_scale(first, target, source, kCount);
  commit(first);
  Work second = begin();
  float* last = pages(kCount, 0);
  encode_scale(second, wrap(last, kCount), target, kCount);
  commit(second);
  metal_sim_drain();
  CHECK(y[0] == 7 && last[0] == 15);
}

WORKS(two_steps_on_parts_of_one_buffer) {
  configure("{\"stepLatencyMs\":50}");
  float* y = pages(kCount, 0);
  id<MTLBuffer> target = wrap(y, kCount);
  for (unsigned part = 0; part < 2; ++part) {
    Work work = begin();
    [work.encoder setComputePipelineState:pipeline("good", "scale_scalar")];
    bind(work, target, wrap(pages(kCount, 0), kCount), part * 400);
    set_scale(work, {2, 1, 100});
    [work.encoder dispatchThreads:MTLSizeMake(100, 1, 1)
            threadsPerThreadgroup:MTLSizeMake(64, 1, 1)];
    commit(work);
  }
  metal_sim_drain();
  for (unsigned i = 0; i < 300; ++i) CHECK(y[i] == static_cast<float>(i < 200 ? 2 * i + 1 : i));
}

BREAKS("B13", message_after_the_last_release) {
  id<MTLBuffer> buffer = [device() newBufferWithLength:64 options:kUntracked];
  [buffer release];
  (void)[buffer length];
}

BREAKS("B13", one_release_too_many) {
  id<MTLBuffer> buffer = [device() newBufferWithLength:64 options:kUntracked];
  [buffer setLabel:@"twice"];
  [buffer release];
  [buffer release];
}

BREAKS("Q1", too_many_unfinished_command_buffers) {
  for (int i = 0; i < 65; ++i) [queue() commandBuffer];
}

WORKS(places_come_back) {
  for (int i = 0; i < 200; ++i) {
    @autoreleasepool {
      finish(begin());
    }
  }
  metal_sim_drain();
  CHECK(counter("MTLCommandBuffer") == 0 && counter("MTLComputeCommandEncoder") == 0);
}

BREAKS("Q2", queue_without_places) { [device() newCommandQueueWithMaxCommandBufferCount:0]; }

BREAKS("Q3", no_autorelease_pool) {
  id<MTLCommandQueue> shared = queue();
  std::thread([shared] { [shared commandBuffer]; }).join();
}

WORKS(pool_on_a_foreign_thread) {
  id<MTLCommandQueue> shared = queue();
  std::thread([shared] {
    @autoreleasepool {
      Work work{commands_of(shared), nil};
      work.encoder = encoder_of(work.commands);
      finish(work);
    }
  }).join();
  metal_sim_drain();
  CHECK(counter("MTLCommandBuffer") == 0);
}

BREAKS("Q11", gpu_time_before_completion) { (void)[commands_of(queue()) GPUEndTime]; }
