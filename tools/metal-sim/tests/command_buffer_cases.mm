// Rules C1 to C14: the life of command buffers and encoders.
#import "harness.h"

#import <Foundation/Foundation.h>

namespace {

constexpr unsigned kCount = 1000;

void encode(const Work& work) {
  encode_scale(work, wrap(pages(kCount, 0), kCount), wrap(pages(kCount, 1), kCount), kCount);
}

}  // namespace

BREAKS("C1", commit_with_open_encoder) {
  Work work = begin();
  encode(work);
  [work.commands commit];
}

BREAKS("C2", second_open_encoder) {
  Work work = begin();
  [work.commands computeCommandEncoder];
}

BREAKS("C3", encoder_released_open) {
  @autoreleasepool {
    begin();
  }
}

BREAKS("C4", encoder_after_commit) {
  Work work = begin();
  encode(work);
  finish(work);
  [work.commands computeCommandEncoder];
}

BREAKS("C5", commit_twice) {
  Work work = begin();
  encode(work);
  finish(work);
  [work.commands commit];
}

BREAKS("C6", set_buffer_on_ended_encoder) {
  Work work = begin();
  [work.encoder endEncoding];
  [work.encoder setBuffer:wrap(pages(1, 0), 1) offset:0 atIndex:0];
}

BREAKS("C6", dispatch_on_ended_encoder) {
  Work work = begin();
  encode(work);
  [work.encoder endEncoding];
  [work.encoder dispatchThreads:MTLSizeMake(1, 1, 1) threadsPerThreadgroup:MTLSizeMake(1, 1, 1)];
}

BREAKS("C7", end_encoding_twice) {
  Work work = begin();
  [work.encoder endEncoding];
  [work.encoder endEncoding];
}

BREAKS("C8", handler_after_commit) {
  Work work = begin();
  encode(work);
  finish(work);
  [work.commands addCompletedHandler:^(id<MTLCommandBuffer>){
  }];
}

BREAKS("C9", handler_while_encoding) {
  Work work = begin();
  [work.commands addCompletedHandler:^(id<MTLCommandBuffer>){
  }];
}

BREAKS("C11", wait_before_commit) {
  Work work = begin();
  encode(work);
  [work.encoder endEncoding];
  [work.commands waitUntilCompleted];
}

WORKS(status_polled_in_flight) {
  configure("{\"stepLatencyMs\":20}");
  Work work = begin();
  encode(work);
  [work.encoder endEncoding];
  [work.commands commit];
  CHECK([work.commands status] == MTLCommandBufferStatusCommitted);
  while ([work.commands status] != MTLCommandBufferStatusCompleted) {
  }
  [work.commands waitUntilCompleted];
  CHECK([work.commands error] == nil);
}

BREAKS("C13", error_read_after_status_alone) {
  Work work = begin();
  encode(work);
  [work.encoder endEncoding];
  [work.commands commit];
  while ([work.commands status] != MTLCommandBufferStatusCompleted) {
  }
  (void)[work.commands error];
}

BREAKS("C13", error_read_before_commit) {
  Work work = begin();
  [work.encoder endEncoding];
  (void)[work.commands error];
}

BREAKS("C14", encoded_work_dropped) {
  @autoreleasepool {
    Work work = begin();
    encode(work);
    [work.encoder endEncoding];
  }
}

WORKS(empty_command_buffer_dropped) {
  @autoreleasepool {
    [begin().encoder endEncoding];
  }
  CHECK(counter("commandBuffersDropped") == 1);
  CHECK(counter("MTLCommandBuffer") == 0);
}

WORKS(status_before_commit) {
  Work work = begin();
  [work.encoder endEncoding];
  CHECK([work.commands status] == MTLCommandBufferStatusNotEnqueued);
  CHECK([work.commands retainedReferences]);
}
