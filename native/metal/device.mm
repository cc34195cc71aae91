#include "device.h"

namespace metal_sgd {

namespace {

/// The system's default device; else the first of all, since some servers have no default.
Owned<id<MTLDevice>> choose_device() {
  @autoreleasepool {
    Owned<id<MTLDevice>> device(MTLCreateSystemDefaultDevice());
    if (device) return device;
    Owned<NSArray*> all(MTLCopyAllDevices());
    if ([all.get() count] == 0) return {};
    return Owned<id<MTLDevice>>::retained([all.get() objectAtIndex:0]);
  }
}

bool is_supported(id<MTLDevice> device) {
  return [device supportsFamily:MTLGPUFamilyApple5] || [device supportsFamily:MTLGPUFamilyMac2];
}

MetalDevice* the_device = nullptr;  // set once, by instance(); leaked on purpose

GpuDevice describe(id<MTLDevice> device) {
  return {[[device name] UTF8String],
          [device registryID],
          static_cast<bool>([device hasUnifiedMemory]),
          [device recommendedMaxWorkingSetSize],
          [device maxBufferLength]};
}

std::string function_name(KernelKey key) {
  return std::string("sgd_") + kDtypeNames[static_cast<int>(key.dtype)] +
         (key.vector ? "_vector" : "_scalar") + (key.momentum ? "_momentum" : "_plain");
}

GpuError error_of(NSInteger metal_code) {
  switch (metal_code) {
    case MTLCommandBufferErrorTimeout:
      return GpuError::kTimeout;
    case MTLCommandBufferErrorPageFault:
      return GpuError::kPageFault;
    case MTLCommandBufferErrorAccessRevoked:
      return GpuError::kAccessRevoked;
    case MTLCommandBufferErrorNotPermitted:
      return GpuError::kNotPermitted;
    case MTLCommandBufferErrorOutOfMemory:
      return GpuError::kOutOfMemory;
    case MTLCommandBufferErrorInvalidResource:
      return GpuError::kInvalidResource;
    case MTLCommandBufferErrorDeviceRemoved:
      return GpuError::kDeviceLost;
    case MTLCommandBufferErrorStackOverflow:
      return GpuError::kStackOverflow;
    default:
      return GpuError::kInternal;
  }
}

}  // namespace

MetalDevice& MetalDevice::instance() {
  static std::once_flag once;
  std::call_once(once, [] {
    Owned<id<MTLDevice>> device = choose_device();
    if (device && is_supported(device.get())) the_device = new MetalDevice(std::move(device));
  });
  if (!the_device) throw GpuFailure(GpuError::kDeviceLost, why_no_gpu());
  return *the_device;
}

namespace {

std::vector<GpuDevice> find_devices() {
  @autoreleasepool {
    std::vector<GpuDevice> found;
    try {
      found.push_back(describe(MetalDevice::instance().device()));
    } catch (const GpuFailure&) {
      return found;
    }
    Owned<NSArray*> all(MTLCopyAllDevices());
    for (NSUInteger i = 0; i < [all.get() count]; i++) {
      GpuDevice other = describe([all.get() objectAtIndex:i]);
      if (other.registry_id != found.front().registry_id) found.push_back(other);
    }
    return found;
  }
}

}  // namespace

const std::vector<GpuDevice>& gpu_devices() {
  static const auto* found = new std::vector<GpuDevice>(find_devices());  // leaked, as the device
  return *found;
}

std::string why_no_gpu() {
  Owned<id<MTLDevice>> device = choose_device();
  if (!device) return "Metal has no device";
  @autoreleasepool {
    return std::string([[device.get() name] UTF8String]) +
           " is older than GPU family Apple5 or Mac2";
  }
}

Owned<id<MTLCommandQueue>> MetalDevice::queue() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!queue_) {
    queue_ = Owned<id<MTLCommandQueue>>([device_.get() newCommandQueue]);
    if (!queue_) throw GpuFailure(GpuError::kOutOfMemory, "Metal made no command queue");
    [queue_.get() setLabel:@"metal-sgd"];
  }
  return Owned<id<MTLCommandQueue>>::retained(queue_.get());
}

void MetalDevice::drop_queue() {
  std::lock_guard<std::mutex> lock(mutex_);
  queue_ = Owned<id<MTLCommandQueue>>();
}

id<MTLLibrary> MetalDevice::compiled(Library& library) {
  if (library.made) return library.made.get();
  Owned<MTLCompileOptions*> options([[MTLCompileOptions alloc] init]);
  [options.get() setFastMathEnabled:NO];
  [options.get() setLanguageVersion:MTLLanguageVersion2_3];
  NSError* error = nil;
  NSString* source = [NSString stringWithCString:library.source encoding:NSUTF8StringEncoding];
  // A warning gives a library and an error object: only the library tells.
  library.made = Owned<id<MTLLibrary>>([device_.get() newLibraryWithSource:source
                                                                   options:options.get()
                                                                     error:&error]);
  if (!library.made)
    throw GpuFailure(GpuError::kCompile, text_of(error, "Metal compiled no library"));
  [library.made.get() setLabel:@"metal-sgd"];
  return library.made.get();
}

id<MTLComputePipelineState> MetalDevice::compiled(Owned<id<MTLComputePipelineState>>& pipeline,
                                                  Library& library,
                                                  const std::string& function_text) {
  NSString* name = [NSString stringWithCString:function_text.c_str() encoding:NSUTF8StringEncoding];
  Owned<id<MTLFunction>> function([compiled(library) newFunctionWithName:name]);
  if (!function) throw GpuFailure(GpuError::kCompile, "no function " + function_text);
  NSError* error = nil;
  pipeline = Owned<id<MTLComputePipelineState>>(
      [device_.get() newComputePipelineStateWithFunction:function.get() error:&error]);
  if (!pipeline) throw GpuFailure(GpuError::kCompile, text_of(error, "Metal made no pipeline"));
  return pipeline.get();
}

id<MTLComputePipelineState> MetalDevice::pipeline(KernelKey key) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto& pipeline = pipelines_[static_cast<int>(key.dtype)][key.vector][key.momentum];
  return pipeline ? pipeline.get() : compiled(pipeline, plain_, function_name(key));
}

id<MTLComputePipelineState> MetalDevice::pipeline(GeneralKernel kernel) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto& pipeline = general_pipelines_[static_cast<int>(kernel)];
  const char* name = kGeneralKernelNames[static_cast<int>(kernel)];
  Library& library = kernel < GeneralKernel::kLanes ? general_ : norm_;
  return pipeline ? pipeline.get() : compiled(pipeline, library, name);
}

std::string text_of(NSError* error, const char* fallback) {
  const char* text = error ? [[error localizedDescription] UTF8String] : nullptr;
  return text ? text : fallback;
}

GpuFailure failure_of(NSError* error, bool written) {
  return GpuFailure(error_of([error code]), text_of(error, "a command buffer failed"), written);
}

}  // namespace metal_sgd
