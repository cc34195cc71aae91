// Lives of simulated objects. Memory of dead ones is kept for a while, in a class of its own that
// answers every message with a report.
#import "sim_object.h"

#include <objc/runtime.h>

#include <atomic>
#include <deque>
#include <mutex>
#include <unordered_set>

#include "flights.h"
#include "report.h"

using namespace metal_sim;

@interface SimDeadObject : SimObject
@end

namespace {

struct Lives {
  std::mutex mutex;
  std::unordered_set<uint64_t> alive;
  std::deque<id> dead;
};

Lives& lives() {
  static Lives* only = new Lives;
  return *only;
}

std::atomic<uint64_t> last_serial{0};

/// Beyond this many, the longest dead are freed.
constexpr size_t kKeptDead = 4096;

void bury(id object) {
  object_setClass(object, [SimDeadObject class]);
  id released = nil;
  {
    std::lock_guard<std::mutex> lock(lives().mutex);
    lives().dead.push_back(object);
    if (lives().dead.size() > kKeptDead) {
      released = lives().dead.front();
      lives().dead.pop_front();
    }
  }
  if (!released) return;
  [static_cast<SimObject*>(released)->label_ release];
  NSDeallocateObject(released);
}

}  // namespace

@implementation SimObject

- (instancetype)initWithKind:(Kind)kind {
  self = [super init];
  kind_ = kind;
  serial_ = ++last_serial;
  count_live(kind, 1);
  std::lock_guard<std::mutex> lock(lives().mutex);
  lives().alive.insert(serial_);
  return self;
}

// The memory goes to the dead instead of back to the runtime.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wobjc-missing-super-calls"
- (void)dealloc {
  std::string flight = flight_using(serial_);
  if (!flight.empty()) {
    violation("B6", "%s is being destroyed while command buffer %s, in flight, needs it",
              describe(self).c_str(), flight.c_str());
  }
  count_live(kind_, -1);
  {
    std::lock_guard<std::mutex> lock(lives().mutex);
    lives().alive.erase(serial_);
  }
  bury(self);
}
#pragma clang diagnostic pop

- (uint64_t)serial {
  return serial_;
}

- (NSString*)label {
  @synchronized(self) {
    return [[label_ retain] autorelease];
  }
}

- (void)setLabel:(NSString*)label {
  CallTimer timed;
  @synchronized(self) {
    NSString* former = label_;
    label_ = [label copy];
    [former release];
  }
}

@end

@implementation SimDeadObject

- (id)retain {
  [self reportMessage:@selector(retain)];
  return nil;
}

- (oneway void)release {
  [self reportMessage:@selector(release)];
}

- (id)autorelease {
  [self reportMessage:@selector(autorelease)];
  return nil;
}

- (BOOL)respondsToSelector:(SEL)selector {
  [self reportMessage:selector];
  return NO;
}

// Asked for every message that this class does not know.
- (NSMethodSignature*)methodSignatureForSelector:(SEL)selector {
  [self reportMessage:selector];
  return nil;
}

- (NSString*)label {
  [self reportMessage:_cmd];
  return nil;
}

- (void)setLabel:(NSString*)label {
  (void)label;
  [self reportMessage:_cmd];
}

- (void)reportMessage:(SEL)selector {
  violation("B13",
            "message '%s' to %s, which was destroyed: one release too many, or a retain too few",
            sel_getName(selector), describe(self).c_str());
}

@end

namespace metal_sim {

std::string describe(SimObject* object) {
  const char* label = object->label_ ? [object->label_ UTF8String] : "";
  return std::string(kind_name(object->kind_)) + " #" + std::to_string(object->serial_) + " '" +
         label + "'";
}

bool is_alive(uint64_t serial) {
  std::lock_guard<std::mutex> lock(lives().mutex);
  return lives().alive.count(serial) != 0;
}

void require_autorelease_pool(const char* call) {
  if ([NSAutoreleasePool currentPool]) return;
  violation("Q3", "%s returns an autoreleased object, and this thread has no autorelease pool",
            call);
}

}  // namespace metal_sim
