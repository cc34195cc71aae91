// The dispatches of a step.
#ifndef METAL_SGD_METAL_ENCODING_H_
#define METAL_SGD_METAL_ENCODING_H_

#include "segments.h"

namespace metal_sgd {

/// True if a group of the segment has momentum: velocities rest without.
bool uses_momentum(const Segment& segment, const StepSettings& settings);

/// Compiles what the segment's dispatches need. Throws GpuFailure.
void compile_pipelines(const Segment& segment, const StepSettings& settings);

/// Sums the gradients of those segments from `begin` to `end` that have several, in a concurrent
/// encoder, with barriers after them.
void encode_sums(id<MTLComputeCommandEncoder> encoder, const Segment* begin, const Segment* end);

/// Steps the segment.
void encode_step(id<MTLComputeCommandEncoder> encoder, const Segment& segment,
                 const StepSettings& settings);

}  // namespace metal_sgd

#endif  // METAL_SGD_METAL_ENCODING_H_
