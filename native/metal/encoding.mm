#include "encoding.h"

#include <algorithm>
#include <array>

namespace metal_sgd {

void bind(id<MTLComputeCommandEncoder> encoder, const Placed& stream, NSUInteger index) {
  [encoder setBuffer:stream.buffer offset:stream.offset atIndex:index];
}

void dispatch(id<MTLComputeCommandEncoder> encoder, id<MTLComputePipelineState> pipeline,
              size_t count, size_t per_thread) {
  size_t threads = (count + per_thread - 1) / per_thread;
  // A larger group than the pipeline takes would be dropped by the driver without an error.
  NSUInteger group =
      std::min<NSUInteger>(SGD_THREADS_PER_GROUP, [pipeline maxTotalThreadsPerThreadgroup]);
  [encoder dispatchThreads:MTLSizeMake(threads, 1, 1)
      threadsPerThreadgroup:MTLSizeMake(group, 1, 1)];
}

namespace {

static_assert(gpu_dtype(Dtype::kFloat32) == kGpuFloat32 &&
                  gpu_dtype(Dtype::kFloat16) == kGpuFloat16 &&
                  gpu_dtype(Dtype::kBfloat16) == kGpuBfloat16,
              "kernels and host number dtypes alike");

/// Whether the plain kernels can do it.
bool is_plain(const Segment& segment, const StepSettings& settings) {
  bool maximize = settings.of(segment.groups[0]).maximize;
  return segment.plain && !settings.around.measures() &&
         gradient_params<float>(settings.around, maximize).flags == 0;
}

KernelKey plain_key(const Segment& segment, const StepSettings& settings) {
  return {segment.dtype(), segment.vector, uses_momentum(segment, settings)};
}

/// Four elements are one vector.
bool is_aligned(const Placed& stream) {
  return stream.offset % (SGD_GENERAL_ELEMENTS * item_size(stream.dtype)) == 0;
}

void encode_plain(id<MTLComputeCommandEncoder> encoder, const Segment& segment,
                  const StepSettings& settings) {
  KernelKey key = plain_key(segment, settings);
  id<MTLComputePipelineState> pipeline = MetalDevice::instance().pipeline(key);
  [encoder setComputePipelineState:pipeline];
  bind(encoder, segment.streams[kParameter], SGD_PARAMETER_BUFFER);
  bind(encoder, segment.streams[kRoles], SGD_GRADIENT_BUFFER);
  if (key.momentum) bind(encoder, segment.streams[kVelocity], SGD_VELOCITY_BUFFER);
  SgdParams<float> params = sgd_params<float>(settings.of(segment.groups[0]));
  params.count = static_cast<uint32_t>(segment.count);
  [encoder setBytes:&params length:sizeof params atIndex:SGD_PARAMS_BUFFER];
  dispatch(encoder, pipeline, segment.count,
           segment.vector ? SGD_VECTOR_BYTES / item_size(segment.dtype()) : 1);
}

GeneralParams general_params(const Segment& segment, const StepSettings& settings,
                             const Placed& result) {
  const Placed *streams = segment.streams.data(), &gradient = segment.gradient();
  GeneralParams params{gradient_params<float>(settings.around, false),
                       average_params<float>(settings.around),
                       gpu_dtype(segment.dtype()),
                       gpu_dtype(gradient.dtype),
                       gpu_dtype(streams[kVelocity].dtype),
                       0,
                       static_cast<uint32_t>(segment.count),
                       static_cast<uint32_t>(segment.phase)};
  bool aligned = is_aligned(gradient) && std::all_of(streams, streams + kRoles, is_aligned);
  auto set = [&](bool given, uint32_t flag) { params.flags |= given ? flag : 0; };
  set(aligned, kGeneralAligned);
  set(uses_momentum(segment, settings), kGeneralVelocity);
  set(static_cast<bool>(streams[kMaster]), kGeneralMaster);
  set(static_cast<bool>(streams[kAverage]), kGeneralAverage);
  set(segment.first & kFirstAverage, kGeneralFirstAverage);
  set(static_cast<bool>(segment.table), kGeneralGroups);
  set(static_cast<bool>(result), kGeneralMeasured);
  return params;
}

void encode_general(id<MTLComputeCommandEncoder> encoder, const Segment& segment,
                    const StepSettings& settings, const Placed& result) {
  id<MTLComputePipelineState> pipeline = MetalDevice::instance().pipeline(GeneralKernel::kStep);
  [encoder setComputePipelineState:pipeline];
  GeneralParams params = general_params(segment, settings, result);
  // Stands in for what the step lacks: every buffer of a kernel has to be bound.
  const Placed& unused = segment.streams[kParameter];
  auto bind_if = [&](bool given, const Placed& stream, NSUInteger index) {
    bind(encoder, given ? stream : unused, index);
  };
  bind(encoder, segment.streams[kParameter], SGD_PARAMETER_BUFFER);
  bind(encoder, segment.gradient(), SGD_GRADIENT_BUFFER);
  bind_if(params.flags & kGeneralVelocity, segment.streams[kVelocity], SGD_VELOCITY_BUFFER);
  bind_if(params.flags & kGeneralMaster, segment.streams[kMaster], SGD_MASTER_BUFFER);
  bind_if(params.flags & kGeneralAverage, segment.streams[kAverage], SGD_AVERAGE_BUFFER);
  bind_if(params.flags & kGeneralGroups, segment.table, SGD_TABLE_BUFFER);
  bind_if(params.flags & kGeneralMeasured, result, SGD_RESULT_BUFFER);
  [encoder setBytes:&params length:sizeof params atIndex:SGD_PARAMS_BUFFER];
  std::array<SgdParams<float>, kMaxRows> rows;
  for (size_t row = 0; row < segment.groups.size(); row++) {
    rows[row] = sgd_params<float>(settings.of(segment.groups[row]));
    bool is_first = segment.first & kFirstVelocity && rows[row].flags & kSgdMomentum;
    if (is_first) rows[row].flags |= kSgdFirst;
  }
  [encoder setBytes:rows.data()
             length:segment.groups.size() * sizeof rows[0]
            atIndex:SGD_ROWS_BUFFER];
  dispatch(encoder, pipeline, segment.count, SGD_GENERAL_ELEMENTS);
}

/// Adds the gradients from `first` on, as many as a dispatch takes.
void encode_sum(id<MTLComputeCommandEncoder> encoder, const Segment& segment, size_t first) {
  id<MTLComputePipelineState> pipeline = MetalDevice::instance().pipeline(GeneralKernel::kSum);
  [encoder setComputePipelineState:pipeline];
  size_t count = std::min<size_t>(segment.gradients() - first, SGD_ADDENDS);
  const Placed* gradients = segment.streams.data() + kRoles + first;
  SumParams params{0, static_cast<uint32_t>(count), first > 0 ? kGeneralCarried : 0u,
                   static_cast<uint32_t>(segment.count)};
  for (size_t k = 0; k < SGD_ADDENDS; k++) {
    bind(encoder, gradients[k < count ? k : 0], k);
    if (k < count) params.dtypes |= gpu_dtype(gradients[k].dtype) << (2 * k);
  }
  if (std::all_of(gradients, gradients + count, is_aligned)) params.flags |= kGeneralAligned;
  bind(encoder, segment.sum, SGD_SUM_BUFFER);
  [encoder setBytes:&params length:sizeof params atIndex:SGD_SUM_PARAMS_BUFFER];
  dispatch(encoder, pipeline, segment.count, SGD_GENERAL_ELEMENTS);
}

}  // namespace

bool uses_momentum(const Segment& segment, const StepSettings& settings) {
  return std::any_of(segment.groups.begin(), segment.groups.end(),
                     [&](uint8_t group) { return settings.of(group).momentum > 0; });
}

void compile_pipelines(const Segment& segment, const StepSettings& settings) {
  MetalDevice& device = MetalDevice::instance();
  if (is_plain(segment, settings)) {
    device.pipeline(plain_key(segment, settings));
    return;
  }
  device.pipeline(GeneralKernel::kStep);
  if (segment.sum) device.pipeline(GeneralKernel::kSum);
}

void encode_sums(id<MTLComputeCommandEncoder> encoder, const Segment* begin, const Segment* end) {
  bool any = true;
  for (size_t first = 0; any; first += SGD_ADDENDS) {
    any = false;
    for (const Segment* segment = begin; segment != end; segment++) {
      if (!segment->sum || first >= segment->gradients()) continue;
      encode_sum(encoder, *segment, first);
      any = true;
    }
    if (any) [encoder memoryBarrierWithScope:MTLBarrierScopeBuffers];
  }
}

void encode_step(id<MTLComputeCommandEncoder> encoder, const Segment& segment,
                 const StepSettings& settings, const Placed& result) {
  if (is_plain(segment, settings)) {
    encode_plain(encoder, segment, settings);
  } else {
    encode_general(encoder, segment, settings, result);
  }
}

}  // namespace metal_sgd
