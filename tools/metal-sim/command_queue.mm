// Command queues: a limited number of places for unfinished command buffers, and a timeline.
#import "sim_classes.h"

#include <mutex>
#include <set>

#include "report.h"

using namespace metal_sim;

struct CommandQueuePlaces {
  std::mutex mutex;
  std::set<uint64_t> taken;  ///< serials of unfinished command buffers
  size_t capacity;
};

@implementation SimCommandQueue

- (instancetype)initWithDevice:(SimDevice*)device capacity:(NSUInteger)capacity {
  self = [super initWithKind:Kind::kCommandQueue];
  device_ = [device retain];
  places_ = new CommandQueuePlaces;
  places_->capacity = capacity;
  timeline_ = new std::shared_ptr<Timeline>(std::make_shared<Timeline>());
  (*timeline_)->start();
  return self;
}

- (void)dealloc {
  (*timeline_)->close();
  delete timeline_;
  delete places_;
  [device_ release];
  [super dealloc];
}

- (SimDevice*)device {
  return device_;
}

- (id<MTLCommandBuffer>)commandBuffer {
  return [self commandBufferRetaining:true];
}

- (id<MTLCommandBuffer>)commandBufferWithUnretainedReferences {
  return [self commandBufferRetaining:false];
}

- (id<MTLCommandBuffer>)commandBufferRetaining:(bool)retained {
  CallTimer timed;
  require_autorelease_pool("commandBuffer");
  if (take_fault("commandBuffer")) return nil;
  ++counters().commandBuffers;
  SimCommandBuffer* made = [[SimCommandBuffer alloc] initWithQueue:self retained:retained];
  [self remember:[made serial]];
  return [made autorelease];
}

- (void)remember:(uint64_t)commandBuffer {
  std::lock_guard<std::mutex> lock(places_->mutex);
  if (places_->taken.size() >= places_->capacity) {
    std::string holders;
    for (uint64_t holder : places_->taken) holders += " #" + std::to_string(holder);
    violation("Q1",
              "%s already has %zu unfinished command buffers, as many as it may have; Metal would"
              " wait for one, maybe forever. Unfinished:%s",
              describe(self).c_str(), places_->taken.size(), holders.c_str());
  }
  places_->taken.insert(commandBuffer);
}

- (void)forget:(uint64_t)commandBuffer {
  std::lock_guard<std::mutex> lock(places_->mutex);
  places_->taken.erase(commandBuffer);
}

- (void)submit:(Job)job {
  (*timeline_)->submit(std::move(job));
}

@end
