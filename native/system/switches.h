// Ways that only a Mac can settle, for `npm run verify` to compare: names in the environment
// variable METAL_SGD_SWITCHES, separated by commas.
#ifndef METAL_SGD_SYSTEM_SWITCHES_H_
#define METAL_SGD_SYSTEM_SWITCHES_H_

namespace metal_sgd {

enum class Switch {
  kBlock,     ///< "block": a step blocks at once, instead of looking at the GPU's status first
  kIsb,       ///< "isb": arm64 threads spin by `isb` instead of `yield`
  kPrefetch,  ///< "prefetch": large steps prefetch where they otherwise don't
};

/// Cheap after its first call.
bool is_on(Switch one);

}  // namespace metal_sgd

#endif  // METAL_SGD_SYSTEM_SWITCHES_H_
