#ifndef METAL_SGD_PROOF_SELF_TEST_H_
#define METAL_SGD_PROOF_SELF_TEST_H_

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

/// Compares GPU and CPU on chosen values. Throws GpuFailure if a step fails.
Comparison self_test(Dtype dtype);

}  // namespace metal_sgd

#endif  // METAL_SGD_PROOF_SELF_TEST_H_
