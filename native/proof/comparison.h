// How the bits of two devices compare.
#ifndef METAL_SGD_PROOF_COMPARISON_H_
#define METAL_SGD_PROOF_COMPARISON_H_

#include <string>

#include "backend.h"

namespace metal_sgd {

/// How a GPU's results stand beside the CPU's.
enum class Match : uint8_t {
  kExact,       ///< the same bits
  kSubnormals,  ///< others only where a float32 subnormal takes part or comes out
  kDifferent
};

struct Comparison {
  Match match = Match::kExact;
  std::string difference;  ///< the first of that kind, in words
};

/// Adds the differences of one stream to those found so far. Any NaN equals any NaN.
void compare_streams(Dtype dtype, const char* name, const std::vector<char>& flushed,
                     const std::vector<char>& kept, const std::vector<char>& received,
                     Comparison& found);

}  // namespace metal_sgd

#endif  // METAL_SGD_PROOF_COMPARISON_H_
