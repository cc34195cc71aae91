// Command buffers: encoding, commit, completion. The life-cycle rules (C1 to C15) live here.
#import "sim_classes.h"

#include <cmath>
#include <condition_variable>
#include <mutex>
#include <vector>

#import <objc/blocks_runtime.h>

#include "clock.h"
#include "report.h"

using namespace metal_sim;

struct CommandBufferState {
  std::mutex mutex;
  std::condition_variable finished;
  MTLCommandBufferStatus status = MTLCommandBufferStatusNotEnqueued;
  Submission submission;
  std::vector<SimObject*> retained;
  std::vector<MTLCommandBufferHandler> handlers;
  NSError* error = nil;
  double start = 0, end = 0;
  int encoders = 0;
  bool encoding = false;
  bool seen_done = false;  ///< by a wait or a handler

  bool committed() const { return status >= MTLCommandBufferStatusCommitted; }
  bool done() const { return status >= MTLCommandBufferStatusCompleted; }
};

@implementation SimCommandBuffer

- (instancetype)initWithQueue:(SimCommandQueue*)queue retained:(bool)retained {
  self = [super initWithKind:Kind::kCommandBuffer];
  queue_ = [queue retain];
  retains_ = retained;
  state_ = new CommandBufferState;
  return self;
}

- (void)dealloc {
  CallTimer timed;
  if (state_->committed() && !state_->done()) {
    violation("B6", "%s is being destroyed while it is in flight", describe(self).c_str());
  }
  if (!state_->committed()) [self dropWork];
  for (SimObject* object : state_->retained) [object release];
  for (MTLCommandBufferHandler handler : state_->handlers) Block_release(handler);
  [state_->error release];
  delete state_;
  [queue_ release];
  [super dealloc];
}

/// Nothing runs that was encoded: a Mac says nothing about it.
- (void)dropWork {
  if (!state_->submission.dispatches.empty()) {
    violation("C14", "%s is being destroyed with %zu dispatches that were never committed",
              describe(self).c_str(), state_->submission.dispatches.size());
  }
  ++counters().commandBuffersDropped;
  [queue_ forget:serial_];
}

- (SimDevice*)device {
  return [queue_ device];
}

- (BOOL)retainedReferences {
  return retains_;
}

- (MTLCommandBufferStatus)status {
  CallTimer timed;
  ++counters().looks;
  std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->status;
}

- (void)requireDone:(const char*)property rule:(const char*)rule {
  if (!state_->done()) {
    violation(rule, "%s of %s read before completion", property, describe(self).c_str());
  }
  if (!state_->seen_done) {
    violation(rule, "%s of %s read after its status alone: results are visible after a wait",
              property, describe(self).c_str());
  }
}

- (NSError*)error {
  CallTimer timed;
  std::lock_guard<std::mutex> lock(state_->mutex);
  [self requireDone:"error" rule:"C13"];
  return [[state_->error retain] autorelease];
}

- (CFTimeInterval)GPUStartTime {
  CallTimer timed;
  std::lock_guard<std::mutex> lock(state_->mutex);
  [self requireDone:"GPUStartTime" rule:"Q11"];
  return state_->start;
}

- (CFTimeInterval)GPUEndTime {
  CallTimer timed;
  std::lock_guard<std::mutex> lock(state_->mutex);
  [self requireDone:"GPUEndTime" rule:"Q11"];
  return state_->end;
}

- (id<MTLComputeCommandEncoder>)computeCommandEncoder {
  return [self computeCommandEncoderWithDispatchType:MTLDispatchTypeSerial];
}

- (id<MTLComputeCommandEncoder>)computeCommandEncoderWithDispatchType:(MTLDispatchType)type {
  CallTimer timed;
  require_autorelease_pool("computeCommandEncoder");
  if (state_->committed()) {
    violation("C4", "computeCommandEncoder: %s was committed", describe(self).c_str());
  }
  if (state_->encoding) {
    violation("C2", "A command encoder is already encoding to this command buffer: %s",
              describe(self).c_str());
  }
  if (take_fault("computeCommandEncoder")) return nil;
  ++counters().encoders;
  state_->encoding = true;
  SimComputeEncoder* made =
      [[SimComputeEncoder alloc] initWithCommandBuffer:self
                                                number:state_->encoders++
                                            concurrent:type == MTLDispatchTypeConcurrent];
  return [made autorelease];
}

- (void)encoderEnded {
  state_->encoding = false;
}

- (void)use:(SimObject*)object {
  state_->submission.objects.push_back([object serial]);
  if (retains_) state_->retained.push_back([object retain]);
}

- (void)record:(Dispatch)dispatch needing:(SimPipeline*)pipeline {
  [self use:pipeline];
  const Kernel& kernel = dispatch.description();
  for (size_t i = 0; i < dispatch.bindings.size(); ++i) {
    const auto& memory = dispatch.bindings[i].memory;
    if (!memory) continue;
    auto& use =
        state_->submission.uses.try_emplace(memory->serial(), Submission::Use{memory, false})
            .first->second;
    use.writes |= kernel.arguments[i].writable;
    state_->submission.objects.push_back(memory->serial());
  }
  state_->submission.dispatches.push_back(std::move(dispatch));
}

- (void)addCompletedHandler:(MTLCommandBufferHandler)block {
  if (state_->committed()) {
    violation("C8", "Completed handler provided after commit call: %s", describe(self).c_str());
  }
  if (state_->encoding) {
    violation(
        "C9",
        "Completed handler provided while an encoder is open: %s; some versions of macOS abort",
        describe(self).c_str());
  }
  state_->handlers.push_back(Block_copy(block));
}

- (void)checkCommit {
  if (state_->committed()) {
    violation("C5", "commit an already committed command buffer: %s", describe(self).c_str());
  }
  if (state_->encoding) {
    violation("C1", "commit command buffer with uncommitted encoder: %s", describe(self).c_str());
  }
  for (uint64_t object : state_->submission.objects) {
    if (is_alive(object)) continue;
    violation("B7", "%s references object #%llu, which was destroyed", describe(self).c_str(),
              static_cast<unsigned long long>(object));
  }
}

- (void)commit {
  CallTimer timed;
  [self checkCommit];
  ++counters().commits;
  Job job{&state_->submission, settings(), take_fault("commit"), {}};
  Submission& submission = state_->submission;
  submission.serial = serial_;
  submission.queue_serial = [queue_ serial];
  submission.label = label_ ? [label_ UTF8String] : "";
  submission.simulated = !job.settings->emptyKernel;
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->status = MTLCommandBufferStatusCommitted;
  }
  clock_commit(submission.dispatches.size(), *job.settings);
  begin_flight(&submission);
  [self retain];  // Metal's own reference, until the handlers have run
  job.complete = [self](const Outcome& outcome) { [self completeWith:outcome]; };
  [queue_ submit:std::move(job)];
}

- (void)completeWith:(const Outcome&)outcome {
  clock_complete();
  [queue_ forget:serial_];
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->start = outcome.start;
    state_->end = outcome.end;
    counters().gpuNanoseconds += std::llround((outcome.end - outcome.start) * 1e9);
    if (outcome.fault) state_->error = [command_buffer_error(*outcome.fault) retain];
    state_->status = outcome.fault ? MTLCommandBufferStatusError : MTLCommandBufferStatusCompleted;
    state_->seen_done |= !state_->handlers.empty();
    state_->finished.notify_all();
  }
  for (MTLCommandBufferHandler handler : state_->handlers) {
    ++counters().handlers;
    handler(self);
    Block_release(handler);
  }
  state_->handlers.clear();
  for (SimObject* object : state_->retained) [object release];
  state_->retained.clear();
  [self release];
}

- (void)waitUntilCompleted {
  CallTimer timed;
  ++counters().waits;
  std::unique_lock<std::mutex> lock(state_->mutex);
  if (!state_->committed()) {
    violation("C11", "waitUntilCompleted before commit of %s would never return",
              describe(self).c_str());
  }
  state_->finished.wait(lock, [self] { return state_->done(); });
  state_->seen_done = true;
}

@end
