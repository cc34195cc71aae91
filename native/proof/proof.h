// Checked once per process: is the GPU correct?
// Works over the interface of backends alone: knows no device.
#ifndef METAL_SGD_PROOF_PROOF_H_
#define METAL_SGD_PROOF_PROOF_H_

#include "backend.h"

namespace metal_sgd {

/// What is proved by itself: plain steps, all others, and among those the true division, the
/// measuring of gradients, and what the GPU makes of the norm.
enum class Feature : uint8_t { kPlain, kGeneral, kDivision, kMeasure, kCoefficient };

/// Compiles the kernels and proves them for these dtypes against the CPU, once per process. False
/// if the GPU has other bits where float32 subnormals are. Throws GpuFailure: kCompile, kSelfTest,
/// ... A refusal stays. Needs a GPU.
bool prove_gpu(const std::vector<Dtype>& dtypes, Feature feature = Feature::kPlain);

}  // namespace metal_sgd

#endif  // METAL_SGD_PROOF_PROOF_H_
