// Devices: profiles, several, none; how they calculate; and what is counted.
#import "harness.h"

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "sim_control.h"

namespace {

constexpr unsigned kCount = 4096;

/// factor * x + offset on the device, by one kernel of good.metal.
float on_device(const char* kernel, float x, Scale scale, MTLCompileOptions* options = nil) {
  float* y_memory = pages(kCount, 0);
  float* x_memory = pages(kCount, 0);
  for (int i = 0; i < 4; ++i) x_memory[i] = x;
  Work work = begin();
  [work.encoder setComputePipelineState:pipeline("good", kernel, options)];
  bind(work, wrap(y_memory, kCount), wrap(x_memory, kCount));
  scale.count = 4;
  set_scale(work, scale);
  [work.encoder dispatchThreads:MTLSizeMake(1, 1, 1) threadsPerThreadgroup:MTLSizeMake(1, 1, 1)];
  finish(work);
  return y_memory[0];
}

const char* const kKernels[] = {"scale_vector", "scale_scalar"};
constexpr float kSubnormal = 0x1p-130f;
/// The product's last bit, 2^-24, is lost if it is rounded, and all that is left if it is not.
constexpr float kFactor = 1 + 0x1p-12f;
constexpr Scale kTellsFusion = {kFactor, -(1 + 0x1p-11f), 0};

}  // namespace

WORKS(profiles_have_their_families) {
  struct Expected {
    const char* profile;
    int family;
    bool metal3;
  };
  const Expected all[] = {{"paravirtual", 5, false},
                          {"m1", 7, true},
                          {"m2", 8, true},
                          {"m3", 9, true},
                          {"m4", 9, true}};
  for (const Expected& expected : all) {
    configure((std::string("{\"devices\":[\"") + expected.profile + "\"]}").c_str());
    id<MTLDevice> made = MTLCreateSystemDefaultDevice();
    for (int n = 1; n <= 9; ++n) {
      auto family = static_cast<MTLGPUFamily>(MTLGPUFamilyApple1 + n - 1);
      CHECK([made supportsFamily:family] == (n <= expected.family));
    }
    CHECK([made supportsFamily:MTLGPUFamilyMetal3] == expected.metal3);
    CHECK([made supportsFamily:MTLGPUFamilyCommon1]);
    CHECK([[made name] hasPrefix:@"Apple "] && [made hasUnifiedMemory]);
  }
}

WORKS(virtual_device_of_runners) {
  configure("{\"devices\":\"paravirtual\"}");
  id<MTLDevice> made = MTLCreateSystemDefaultDevice();
  CHECK([[made name] isEqualToString:@"Apple Paravirtual device"]);
  CHECK([made maxBufferLength] == 3758096384 && [made recommendedMaxWorkingSetSize] == 5010800640);
}

WORKS(several_devices) {
  configure("{\"devices\":[\"m1\",\"m4\"]}");
  NSArray* all = MTLCopyAllDevices();
  id<MTLDevice> made = MTLCreateSystemDefaultDevice();
  CHECK([all count] == 2 && [all objectAtIndex:0] == made);
  CHECK([[all objectAtIndex:1] registryID] != [made registryID]);
}

WORKS(no_default_device_but_one_in_the_list) {
  configure("{\"defaultDevice\":false}");
  CHECK(MTLCreateSystemDefaultDevice() == nil);
  CHECK([MTLCopyAllDevices() count] == 1);
}

WORKS(no_device_at_all) {
  configure("{\"devices\":[]}");
  CHECK(MTLCreateSystemDefaultDevice() == nil);
  CHECK([MTLCopyAllDevices() count] == 0);
}

WORKS(limits_of_the_settings) {
  configure(
      "{\"unifiedMemory\":false,\"maxBufferLength\":65536,\"recommendedMaxWorkingSetSize\":1048576,"
      "\"maxTotalThreadsPerThreadgroup\":832}");
  CHECK(![device() hasUnifiedMemory] && [device() maxBufferLength] == 65536);
  CHECK([device() recommendedMaxWorkingSetSize] == 1048576);
  CHECK([pipeline("good", "scale_scalar") maxTotalThreadsPerThreadgroup] == 832);
  CHECK([pipeline("good", "scale_vector") maxTotalThreadsPerThreadgroup] == 256);
}

WORKS(language_version_of_the_system) {
  configure("{\"devices\":\"m1\"}");
  MTLCompileOptions* options = [[[MTLCompileOptions alloc] init] autorelease];
  options.languageVersion = MTLLanguageVersion3_1;
  NSError* error = nil;
  CHECK([device() newLibraryWithSource:@"" options:options error:&error] == nil);
  CHECK([error code] == MTLLibraryErrorUnsupported);
}

WORKS(math_mode_only_where_the_system_has_it) {
  MTLCompileOptions* options = [[[MTLCompileOptions alloc] init] autorelease];
  SEL setter = NSSelectorFromString(@"setMathMode:");
  CHECK([options respondsToSelector:setter]);
  // As a program does that was built with an older header.
  IMP method = [static_cast<NSObject*>(options) methodForSelector:setter];
  reinterpret_cast<void (*)(id, SEL, NSInteger)>(reinterpret_cast<void*>(method))(options, setter,
                                                                                  0);
  CHECK(!options.fastMathEnabled);
  configure("{\"mathMode\":false}");
  CHECK(![options respondsToSelector:setter]);
}

WORKS(subnormals_are_flushed) {
  for (const char* kernel : kKernels) {
    CHECK(on_device(kernel, kSubnormal, {1, 0, 0}) == 0);
    CHECK(on_device(kernel, 0x1p-126f, {0.5f, 0, 0}) == 0);
  }
}

WORKS(subnormals_are_kept_on_request) {
  configure("{\"flushSubnormals\":false}");
  for (const char* kernel : kKernels) CHECK(on_device(kernel, kSubnormal, {1, 0, 0}) == kSubnormal);
}

WORKS(operations_are_rounded_one_by_one) {
  for (const char* kernel : kKernels) CHECK(on_device(kernel, kFactor, kTellsFusion) == 0);
}

WORKS(contracting_device) {
  configure("{\"contract\":true}");
  for (const char* kernel : kKernels) CHECK(on_device(kernel, kFactor, kTellsFusion) == 0x1p-24f);
}

WORKS(fast_math_contracts_too) {
  MTLCompileOptions* fast = [[[MTLCompileOptions alloc] init] autorelease];
  CHECK(fast.fastMathEnabled);
  CHECK(on_device("scale_scalar", kFactor, kTellsFusion, fast) == 0x1p-24f);
}

WORKS(counters_of_one_step) {
  constexpr unsigned kSome = 1000;
  id<MTLBuffer> y = wrap(pages(kCount, 0), kCount);
  id<MTLBuffer> x = wrap(pages(kCount, 0), kCount);
  Work warm_up = begin();
  encode_scale(warm_up, y, x, 1);
  finish(warm_up);
  metal_sim_reset_counters();
  Work work = begin();
  encode_scale(work, y, x, kSome);
  finish(work);
  const struct {
    const char* name;
    long value;
  } expected[] = {
      {"commandBuffers", 1},
      {"commits", 1},
      {"waits", 1},
      {"encoders", 1},
      {"dispatches", 1},
      {"threads", kSome},
      {"setBytesCalls", 1},
      {"setBytesBytes", 12},
      {"buffersBound", 2},
      {"barriers", 0},
      {"buffersWrapped", 0},
      {"buffersAllocated", 0},
      {"pipelines", 0},
      {"libraries", 0},
      {"commandQueues", 0},
      {"handlers", 0},
      {"bytesRead", 4 * kSome},
      {"bytesWritten", 4 * kSome},
      {"bytesBound", 2 * kTestPage},
      {"MTLBuffer", 2},
  };
  for (const auto& one : expected) {
    if (counter(one.name) != one.value) fprintf(stderr, "%s is %ld\n", one.name, counter(one.name));
    CHECK(counter(one.name) == one.value);
  }
}

WORKS(allocated_bytes) {
  id<MTLBuffer> buffer = [device() newBufferWithLength:100 options:kUntracked];
  CHECK([device() currentAllocatedSize] == 100 && counter("bytesAllocated") == 100);
  static_cast<char*>([buffer contents])[99] = 1;
  wrap(pages(1, 0), 1);
  CHECK([device() currentAllocatedSize] == 100 + kTestPage && counter("bytesWrapped") == kTestPage);
  [buffer release];
  CHECK([device() currentAllocatedSize] == kTestPage);
}

WORKS(empty_kernel_runs_nothing) {
  configure("{\"emptyKernel\":true,\"stepLatencyMs\":20}");
  float* y = pages(kCount, 0);
  Work work = begin();
  encode_scale(work, wrap(y, kCount), wrap(pages(kCount, 0), kCount), kCount);
  [work.encoder endEncoding];
  [work.commands commit];
  CHECK(y[1] == 1);
  [work.commands waitUntilCompleted];
  CHECK(y[1] == 1 && counter("dispatches") == 1 && counter("threads") == kCount);
}

WORKS(labels) {
  Work work = begin();
  [work.commands setLabel:@"step"];
  [work.encoder setLabel:@"update"];
  CHECK([[work.commands label] isEqualToString:@"step"] &&
        [[work.encoder label] isEqualToString:@"update"]);
  CHECK([[static_cast<SimPipeline*>(pipeline("good", "scale_half")) label]
      isEqualToString:@"scale_half"]);
  [work.encoder endEncoding];
}
