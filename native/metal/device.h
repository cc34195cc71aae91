// The one Metal device of the process: its queue, and its pipelines, made at first use.
// Objective-C++ only.
#ifndef METAL_SGD_METAL_DEVICE_H_
#define METAL_SGD_METAL_DEVICE_H_

#import <Metal/Metal.h>

#include <mutex>

#include "backend.h"
#include "metal.h"
#include "owned.h"
#include "source.h"

namespace metal_sgd {

/// Names one kernel of `sgd.metal`.
struct KernelKey {
  Dtype dtype;
  bool vector;  ///< needs streams that are aligned to SGD_VECTOR_BYTES
  bool momentum;
};

/// The kernels of `general.metal` and `norm.metal`, by their names there.
#define METAL_SGD_GENERAL_KERNELS(row)                                            \
  row(kStep, "step_general") row(kSum, "sum_gradients") row(kLanes, "norm_lanes") \
      row(kLevel, "norm_level") row(kHalves, "norm_halves") row(kFinish, "norm_finish")
enum class GeneralKernel : uint8_t { METAL_SGD_GENERAL_KERNELS(METAL_SGD_ENUMERATOR) };
constexpr const char* kGeneralKernelNames[] = {METAL_SGD_GENERAL_KERNELS(METAL_SGD_NAME)};
constexpr size_t kGeneralKernels = sizeof kGeneralKernelNames / sizeof *kGeneralKernelNames;

class MetalDevice {
 public:
  /// Never destroyed: steps may be in flight when the process exits. Throws if there is none.
  static MetalDevice& instance();

  id<MTLDevice> device() const { return device_.get(); }
  /// Retained by the caller. A new one after a failure, since the old one may refuse further work.
  Owned<id<MTLCommandQueue>> queue();
  void drop_queue();
  /// Compiles a missing pipeline. It lives as long as the process. Throws GpuFailure.
  id<MTLComputePipelineState> pipeline(KernelKey key);
  id<MTLComputePipelineState> pipeline(GeneralKernel kernel);

 private:
  explicit MetalDevice(Owned<id<MTLDevice>> device) : device_(std::move(device)) {}
  /// A text and what Metal made of it.
  struct Library {
    const char* source;
    Owned<id<MTLLibrary>> made;
  };
  id<MTLLibrary> compiled(Library& library);
  id<MTLComputePipelineState> compiled(Owned<id<MTLComputePipelineState>>& pipeline,
                                       Library& library, const std::string& function_text);

  std::mutex mutex_;
  Owned<id<MTLDevice>> device_;
  Owned<id<MTLCommandQueue>> queue_;
  Library plain_{sgd_metal_source, {}}, general_{general_metal_source, {}},
      norm_{norm_metal_source, {}};
  Owned<id<MTLComputePipelineState>> pipelines_[kDtypes][2][2], general_pipelines_[kGeneralKernels];
};

/// An NSError's own words; `fallback` without one.
std::string text_of(NSError* error, const char* fallback);
/// The failure behind the error of a finished command buffer.
GpuFailure failure_of(NSError* error, bool written);

}  // namespace metal_sgd

#endif  // METAL_SGD_METAL_DEVICE_H_
