// The norm of a step on the GPU: lanes of blocks, their sums, sums of sums, and what follows from
// the last one. Objective-C++ only.
#ifndef METAL_SGD_METAL_NORM_H_
#define METAL_SGD_METAL_NORM_H_

#include "encoding.h"

namespace metal_sgd {

/// Compiles the kernels of norms. Throws GpuFailure.
void compile_norm();

/// Buffers for the norm of all segments of a step.
class MetalNorm {
 public:
  /// Throws GpuFailure.
  explicit MetalNorm(const std::vector<Segment>& segments);

  /// Measures the segments from `begin` to `end`, whose sums are there.
  void encode_lanes(id<MTLComputeCommandEncoder> encoder, size_t begin, size_t end,
                    const StepSettings& settings);
  /// Adds what all segments gave, in a concurrent encoder; begins and ends with a barrier.
  void encode_levels(id<MTLComputeCommandEncoder> encoder);
  /// Writes the result, and ends with a barrier.
  void encode_finish(id<MTLComputeCommandEncoder> encoder, const Around& around);
  /// The same by the host, once the levels are there.
  void finish_on_host(const Around& around);

  /// What a step reads.
  Placed result() const { return {result_.get(), 0, Dtype::kFloat32}; }
  /// The result, once it is written.
  Report read() const;

 private:
  /// Sums and largest magnitudes.
  struct Numbers {
    Owned<id<MTLBuffer>> sums, largest;
  };
  static Numbers numbers(size_t count);
  static void bind_both(id<MTLComputeCommandEncoder> encoder, const Numbers& numbers,
                        NSUInteger first_index, size_t first = 0);
  void encode_level(id<MTLComputeCommandEncoder> encoder, GeneralKernel kernel, size_t threads,
                    size_t count, const Numbers& from, const Numbers& to);

  const std::vector<Segment>& segments_;
  std::vector<size_t> firsts_;  // of each segment: blocks before its own
  size_t blocks_ = 0;
  size_t sums_ = 0;  // where the last level lies: 0 or 1
  Owned<id<MTLBuffer>> table_, result_;
  Numbers lanes_, totals_[2];
};

}  // namespace metal_sgd

#endif  // METAL_SGD_METAL_NORM_H_
