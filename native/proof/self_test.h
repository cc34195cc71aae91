#ifndef METAL_SGD_PROOF_SELF_TEST_H_
#define METAL_SGD_PROOF_SELF_TEST_H_

#include "comparison.h"

namespace metal_sgd {

/// Compares GPU and CPU on chosen values. Throw GpuFailure if a step fails.
Comparison test_plain(Dtype dtype);
/// Of all that is not plain, but for division.
Comparison test_general(Dtype dtype);
/// Of the mean of gradients whose number is no power of two.
Comparison test_division(Dtype dtype);

/// Of norm and finite test, whose coefficient the host forms.
Comparison test_measure(Dtype dtype);
/// Of the coefficient that the GPU forms.
Comparison test_coefficient(Dtype dtype);

}  // namespace metal_sgd

#endif  // METAL_SGD_PROOF_SELF_TEST_H_
