#include "norm.h"

#include <cmath>
#include <cstring>

namespace metal_sgd {

namespace {

FinishParams finish_params(const Around& around) {
  return {norm_params<float>(around), std::isnan(around.max_norm) ? 0u : 1u,
          around.non_finite == NonFinite::kApply ? 0u : 1u,
          around.non_finite == NonFinite::kError ? 1u : 0u};
}

const uint32_t* words(id<MTLBuffer> buffer) {
  return static_cast<const uint32_t*>([buffer contents]);
}

float number_of(uint32_t bits) {
  float number;
  std::memcpy(&number, &bits, sizeof number);
  return number;
}

uint32_t bits_of(float number) {
  uint32_t bits;
  std::memcpy(&bits, &number, sizeof bits);
  return bits;
}

void barrier(id<MTLComputeCommandEncoder> encoder) {
  [encoder memoryBarrierWithScope:MTLBarrierScopeBuffers];
}

}  // namespace

void compile_norm() {
  for (GeneralKernel kernel : {GeneralKernel::kLanes, GeneralKernel::kLevel, GeneralKernel::kHalves,
                               GeneralKernel::kFinish})
    MetalDevice::instance().pipeline(kernel);
}

MetalNorm::Numbers MetalNorm::numbers(size_t count) {
  size_t bytes = count * sizeof(float);
  return {shared_buffer(bytes, "norm"), shared_buffer(bytes, "norm")};
}

MetalNorm::MetalNorm(const std::vector<Segment>& segments) : segments_(segments) {
  for (const Segment& segment : segments) {
    firsts_.push_back(blocks_);
    blocks_ += segment.blocks.size();
  }
  table_ = shared_buffer(blocks_ * sizeof(NormBlock), "norm's blocks");
  auto* rows = static_cast<NormBlock*>([table_.get() contents]);
  for (const Segment& segment : segments)
    rows = std::copy(segment.blocks.begin(), segment.blocks.end(), rows);
  lanes_ = numbers(blocks_ * SGD_NORM_LANES);
  totals_[0] = numbers(blocks_);
  totals_[1] = numbers(SGD_NORM_BLOCKS(blocks_));
  result_ = shared_buffer(SGD_RESULT_WORDS * sizeof(uint32_t), "norm's result");
}

void MetalNorm::bind_both(id<MTLComputeCommandEncoder> encoder, const Numbers& numbers,
                          NSUInteger first_index, size_t first) {
  size_t offset = first * sizeof(float);
  [encoder setBuffer:numbers.sums.get() offset:offset atIndex:first_index];
  [encoder setBuffer:numbers.largest.get() offset:offset atIndex:first_index + 1];
}

void MetalNorm::encode_lanes(id<MTLComputeCommandEncoder> encoder, size_t begin, size_t end,
                             const StepSettings& settings) {
  id<MTLComputePipelineState> pipeline = MetalDevice::instance().pipeline(GeneralKernel::kLanes);
  [encoder setComputePipelineState:pipeline];
  LanesParams params{gradient_params<float>(settings.around, false), 0, 0};
  params.before.flags &= kGradientMeasured;
  for (size_t i = begin; i < end; i++) {
    const Segment& segment = segments_[i];
    if (segment.blocks.empty()) continue;
    params.dtype = gpu_dtype(segment.gradient().dtype);
    params.blocks = static_cast<uint32_t>(segment.blocks.size());
    bind(encoder, segment.gradient(), SGD_NORM_GRADIENT_BUFFER);
    [encoder setBuffer:table_.get()
                offset:firsts_[i] * sizeof(NormBlock)
               atIndex:SGD_NORM_BLOCKS_BUFFER];
    bind_both(encoder, lanes_, SGD_NORM_SUMS_OUT_BUFFER, firsts_[i] * SGD_NORM_LANES);
    [encoder setBytes:&params length:sizeof params atIndex:SGD_NORM_PARAMS_BUFFER];
    dispatch(encoder, pipeline, segment.blocks.size() * SGD_NORM_LANES, 1);
  }
}

void MetalNorm::encode_level(id<MTLComputeCommandEncoder> encoder, GeneralKernel kernel,
                             size_t threads, size_t count, const Numbers& from, const Numbers& to) {
  id<MTLComputePipelineState> pipeline = MetalDevice::instance().pipeline(kernel);
  [encoder setComputePipelineState:pipeline];
  LevelParams params{static_cast<uint32_t>(count)};
  bind_both(encoder, from, SGD_NORM_SUMS_BUFFER);
  bind_both(encoder, to, SGD_NORM_SUMS_OUT_BUFFER);
  [encoder setBytes:&params length:sizeof params atIndex:SGD_NORM_PARAMS_BUFFER];
  dispatch(encoder, pipeline, threads, 1);
  barrier(encoder);
}

void MetalNorm::encode_levels(id<MTLComputeCommandEncoder> encoder) {
  barrier(encoder);
  size_t count = blocks_;
  sums_ = 0;
  encode_level(encoder, GeneralKernel::kHalves, count, count, lanes_, totals_[sums_]);
  while (count > 1) {
    size_t blocks = SGD_NORM_BLOCKS(count);
    encode_level(encoder, GeneralKernel::kLevel, blocks * SGD_NORM_LANES, count, totals_[sums_],
                 lanes_);
    sums_ = 1 - sums_;
    count = blocks;
    encode_level(encoder, GeneralKernel::kHalves, count, count, lanes_, totals_[sums_]);
  }
}

void MetalNorm::encode_finish(id<MTLComputeCommandEncoder> encoder, const Around& around) {
  id<MTLComputePipelineState> pipeline = MetalDevice::instance().pipeline(GeneralKernel::kFinish);
  [encoder setComputePipelineState:pipeline];
  FinishParams params = finish_params(around);
  bind_both(encoder, totals_[sums_], SGD_NORM_SUMS_BUFFER);
  [encoder setBuffer:result_.get() offset:0 atIndex:SGD_NORM_SUMS_OUT_BUFFER];
  [encoder setBytes:&params length:sizeof params atIndex:SGD_NORM_PARAMS_BUFFER];
  dispatch(encoder, pipeline, 1, 1);
  barrier(encoder);
}

void MetalNorm::finish_on_host(const Around& around) {
  FinishParams params = finish_params(around);
  float norm = std::sqrt(number_of(words(totals_[sums_].sums.get())[0]));
  uint32_t largest = words(totals_[sums_].largest.get())[0];
  uint32_t coefficient = bits_of(norm_rule<float>(params.rule, norm));
  auto* result = static_cast<uint32_t*>([result_.get() contents]);
  result[SGD_RESULT_NORM] = bits_of(norm);
  result[SGD_RESULT_LARGEST] = largest;
  result[SGD_RESULT_COEFFICIENT] = coefficient;
  result[SGD_RESULT_FLAGS] = norm_flags(params, bits_of(norm), largest, coefficient);
}

Report MetalNorm::read() const {
  const uint32_t* result = words(result_.get());
  Report report;
  uint32_t flags = result[SGD_RESULT_FLAGS];
  report.verdict = flags & kNormSkips   ? Verdict::kSkipped
                   : flags & kNormClips ? Verdict::kClipped
                                        : Verdict::kStepped;
  report.measure = {number_of(result[SGD_RESULT_NORM]), number_of(result[SGD_RESULT_LARGEST])};
  return report;
}

}  // namespace metal_sgd
