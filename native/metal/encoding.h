// The dispatches of a step.
#ifndef METAL_SGD_METAL_ENCODING_H_
#define METAL_SGD_METAL_ENCODING_H_

#include "segments.h"

namespace metal_sgd {

/// True if a group of the segment has momentum: velocities rest without.
bool uses_momentum(const Segment& segment, const StepSettings& settings);

/// Binds a stream.
void bind(id<MTLComputeCommandEncoder> encoder, const Placed& stream, NSUInteger index);

/// Dispatches as many threads as `count` elements take.
void dispatch(id<MTLComputeCommandEncoder> encoder, id<MTLComputePipelineState> pipeline,
              size_t count, size_t per_thread);

/// Numbers of dtypes as the kernels know them.
constexpr uint32_t gpu_dtype(Dtype dtype) { return static_cast<uint32_t>(dtype); }

/// Compiles what the segment's dispatches need. Throws GpuFailure.
void compile_pipelines(const Segment& segment, const StepSettings& settings);

/// Sums the gradients of those segments from `begin` to `end` that have several, in a concurrent
/// encoder, with barriers after them.
void encode_sums(id<MTLComputeCommandEncoder> encoder, const Segment* begin, const Segment* end);

/// Steps the segment. `result`: of the norm; none where the step measures nothing.
void encode_step(id<MTLComputeCommandEncoder> encoder, const Segment& segment,
                 const StepSettings& settings, const Placed& result);

}  // namespace metal_sgd

#endif  // METAL_SGD_METAL_ENCODING_H_
