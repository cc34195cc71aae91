#ifndef METAL_SGD_PROOF_SELF_TEST_H_
#define METAL_SGD_PROOF_SELF_TEST_H_

#include <string>

#include "backend.h"

namespace metal_sgd {

/// Compares GPU and CPU on chosen values. Returns the first difference in words; empty if there is
/// none. Throws GpuFailure if a step fails.
std::string self_test(Dtype dtype);

}  // namespace metal_sgd

#endif  // METAL_SGD_PROOF_SELF_TEST_H_
