// What all simulated objects share: a kind, a number, a label, and a life that is watched.
#ifndef METAL_SGD_TEST_METAL_SIM_OBJECT_H_
#define METAL_SGD_TEST_METAL_SIM_OBJECT_H_

#import <Foundation/Foundation.h>

#include <cstdint>
#include <string>

#include "counters.h"

/// Counted while it lives; after its end every message to it is fatal (B13).
@interface SimObject : NSObject {
 @public
  metal_sim::Kind kind_;
  uint64_t serial_;
  NSString* label_;
}
@property(copy, atomic) NSString* label;
- (instancetype)initWithKind:(metal_sim::Kind)kind;
- (uint64_t)serial;
@end

namespace metal_sim {

/// "MTLBuffer #3 'parameters'".
std::string describe(SimObject* object);
bool is_alive(uint64_t serial);

/// Fatal (Q3) on a thread without a pool: the object about to be autoreleased would never go.
void require_autorelease_pool(const char* call);

}  // namespace metal_sim

#endif  // METAL_SGD_TEST_METAL_SIM_OBJECT_H_
