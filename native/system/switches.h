// Ways that only a Mac can settle, for `npm run verify` to compare: names in the environment
// variable METAL_SGD_SWITCHES, separated by commas.
#ifndef METAL_SGD_SYSTEM_SWITCHES_H_
#define METAL_SGD_SYSTEM_SWITCHES_H_

#include "settings.h"

namespace metal_sgd {

#define METAL_SGD_SWITCHES(row)                                                           \
  row(kBlock, "block") /* a step blocks at once, and does not look at the GPU's status */ \
      row(kIsb, "isb") /* arm64 threads spin by `isb` instead of `yield` */               \
      row(kPrefetch, "prefetch") /* large steps prefetch where they otherwise don't */
enum class Switch { METAL_SGD_SWITCHES(METAL_SGD_ENUMERATOR) };
constexpr const char* kSwitchNames[] = {METAL_SGD_SWITCHES(METAL_SGD_NAME)};

/// Cheap after its first call.
bool is_on(Switch one);

}  // namespace metal_sgd

#endif  // METAL_SGD_SYSTEM_SWITCHES_H_
