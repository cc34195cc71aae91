// The one Metal device of the process: its queue, and its pipelines, made at first use.
// Objective-C++ only.
#ifndef METAL_SGD_METAL_DEVICE_H_
#define METAL_SGD_METAL_DEVICE_H_

#import <Metal/Metal.h>

#include <mutex>

#include "metal.h"
#include "owned.h"

namespace metal_sgd {

/// Which kernel of `sgd.metal`.
struct KernelKey {
  Dtype dtype;
  bool vector;  ///< 16 bytes per thread; needs 16-byte aligned streams
  bool momentum;
};

constexpr NSUInteger kThreadsPerGroup = 256;  // as max_total_threads_per_threadgroup in sgd.metal
constexpr size_t kVectorBytes = 16;

class MetalDevice {
 public:
  /// Never destroyed: steps may be in flight when the process exits. Throws if there is none.
  static MetalDevice& instance();

  id<MTLDevice> device() const { return device_.get(); }
  /// Made anew after a failure, since a queue may refuse work from then on. Retained by the caller.
  Owned<id<MTLCommandQueue>> queue();
  void drop_queue();
  /// Compiles what is missing. Lives as long as the process. Throws MetalFailure.
  id<MTLComputePipelineState> pipeline(KernelKey key);

 private:
  explicit MetalDevice(Owned<id<MTLDevice>> device) : device_(std::move(device)) {}
  id<MTLLibrary> library();

  std::mutex mutex_;
  Owned<id<MTLDevice>> device_;
  Owned<id<MTLCommandQueue>> queue_;
  Owned<id<MTLLibrary>> library_;
  Owned<id<MTLComputePipelineState>> pipelines_[kDtypes][2][2];
};

/// An NSError's own words; `fallback` without one.
std::string text_of(NSError* error, const char* fallback);
/// The failure that a finished command buffer's error tells.
MetalFailure failure_of(NSError* error, const std::string& consequence);

}  // namespace metal_sgd

#endif  // METAL_SGD_METAL_DEVICE_H_
