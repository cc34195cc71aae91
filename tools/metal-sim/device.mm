// Devices: what they are, and what they make.
#import "sim_classes.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "report.h"

using namespace metal_sim;

namespace {

/// Two billion apart, so that nobody takes them for indices.
constexpr uint64_t kFirstRegistryId = 4294967296u;

void pause_for(double milliseconds) {
  std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(milliseconds));
}

double or_profile(double setting, uint64_t of_profile) {
  return setting >= 0 ? setting : static_cast<double>(of_profile);
}

void refuse(NSError** error, NSInteger code, const std::string& text) {
  if (error) *error = make_error(@"MTLLibraryErrorDomain", code, text);
}

void check_length(NSUInteger length, NSUInteger limit, const char* call) {
  if (length == 0) violation("B3", "%s: Cannot create buffer of zero length.", call);
  if (length > limit) violation("B4", "%s: length %#zx must not exceed %#zx", call, length, limit);
}

}  // namespace

@implementation SimDevice

- (instancetype)initWithProfile:(const Profile*)profile number:(int)number {
  self = [super initWithKind:Kind::kDevice];
  profile_ = profile;
  number_ = number;
  return self;
}

- (NSString*)name {
  return [NSString stringWithUTF8String:profile_->name];
}

- (uint64_t)registryID {
  return kFirstRegistryId + static_cast<uint64_t>(number_);
}

- (BOOL)hasUnifiedMemory {
  return settings()->unifiedMemory.value_or(true);
}

- (uint64_t)recommendedMaxWorkingSetSize {
  return static_cast<uint64_t>(
      or_profile(settings()->recommendedMaxWorkingSetSize, profile_->working_set));
}

- (NSUInteger)maxBufferLength {
  return static_cast<NSUInteger>(
      or_profile(settings()->maxBufferLength, profile_->max_buffer_length));
}

- (NSUInteger)currentAllocatedSize {
  return live_buffer_bytes();
}

- (BOOL)supportsFamily:(MTLGPUFamily)family {
  if (family >= MTLGPUFamilyApple1 && family <= MTLGPUFamilyApple9) {
    return family - MTLGPUFamilyApple1 < profile_->apple_family;
  }
  if (family == MTLGPUFamilyMetal3) return profile_->metal3;
  if (family == MTLGPUFamilyMac2) return profile_->apple_family >= 7;
  return family >= MTLGPUFamilyCommon1 && family <= MTLGPUFamilyCommon3;
}

- (id<MTLCommandQueue>)newCommandQueue {
  constexpr NSUInteger kDefaultCapacity = 64;
  return [self newCommandQueueWithMaxCommandBufferCount:kDefaultCapacity];
}

- (id<MTLCommandQueue>)newCommandQueueWithMaxCommandBufferCount:(NSUInteger)capacity {
  CallTimer timed;
  if (capacity == 0)
    violation("Q2", "newCommandQueueWithMaxCommandBufferCount: 0 must be at least 1");
  if (take_fault("newCommandQueue")) return nil;
  ++counters().commandQueues;
  return [[SimCommandQueue alloc] initWithDevice:self capacity:capacity];
}

- (id<MTLBuffer>)newBufferWithLength:(NSUInteger)length options:(MTLResourceOptions)options {
  CallTimer timed;
  check_length(length, [self maxBufferLength], "newBufferWithLength");
  if (take_fault("newBufferWithLength")) return nil;
  ++counters().buffersAllocated;
  counters().bytesAllocated += length;
  return [[SimBuffer alloc] initWithDevice:self length:length options:options];
}

- (id<MTLBuffer>)newBufferWithBytesNoCopy:(void*)pointer
                                   length:(NSUInteger)length
                                  options:(MTLResourceOptions)options
                              deallocator:(void (^)(void*, NSUInteger))deallocator {
  CallTimer timed;
  check_length(length, [self maxBufferLength], "newBufferWithBytesNoCopy");
  if (take_fault("newBufferWithBytesNoCopy")) return nil;
  SimBuffer* buffer = [[SimBuffer alloc] initWithDevice:self
                                                  bytes:pointer
                                                 length:length
                                                options:options
                                            deallocator:deallocator];
  ++counters().buffersWrapped;
  counters().bytesWrapped += length;
  return buffer;
}

- (id<MTLLibrary>)newLibraryWithSource:(NSString*)source
                               options:(MTLCompileOptions*)options
                                 error:(NSError**)error {
  CallTimer timed;
  if (error) *error = nil;
  auto wanted = settings();
  if (wanted->metalsOwnLines) write_own_line("flock failed to lock maps file: errno = 35\n");
  pause_for(wanted->compileLatencyMs);
  if (auto fault = take_fault("newLibraryWithSource")) {
    refuse(error, MTLLibraryErrorCompileFailure,
           fault->message.empty() ? "program_source:1:1: error: injected compile error"
                                  : fault->message);
    return nil;
  }
  if (options && [options languageVersion] > profile_ -> language_version) {
    refuse(error, MTLLibraryErrorUnsupported, "language version is not supported on this OS");
    return nil;
  }
  const KernelLibrary* kernels = find_library([source UTF8String]);
  if (!kernels) {
    refuse(error, MTLLibraryErrorCompileFailure,
           "program_source: error: the text is not one that this simulator was built with");
    return nil;
  }
  if (wanted->compileWarning) {
    refuse(error, MTLLibraryErrorCompileWarning, "program_source:1:1: warning: injected");
  }
  ++counters().libraries;
  return [[SimLibrary alloc] initWithDevice:self kernels:kernels fastMath:[self fastMath:options]];
}

/// Metal's default is fast; the newer option, where a program set it, wins.
- (bool)fastMath:(MTLCompileOptions*)options {
  return !options || [options fastMathEnabled];
}

- (id<MTLComputePipelineState>)newComputePipelineStateWithFunction:(id<MTLFunction>)function
                                                             error:(NSError**)error {
  CallTimer timed;
  if (error) *error = nil;
  pause_for(settings()->pipelineLatencyMs);
  SimFunction* made = static_cast<SimFunction*>(function);
  if (!made) violation("L2", "newComputePipelineStateWithFunction: function must not be nil");
  if ([made device] != self) {
    violation("E12", "%s belongs to another device", describe(made).c_str());
  }
  if (auto fault = take_fault("newComputePipelineStateWithFunction")) {
    if (error) {
      *error = make_error(@"AGXMetalG13X", fault->code,
                          fault->message.empty() ? "Compilation failed" : fault->message);
    }
    return nil;
  }
  ++counters().pipelines;
  return [[SimPipeline alloc] initWithFunction:made];
}

@end

namespace {

/// The devices of the settings in force; objects stay the same while the list does.
NSArray* all_devices() {
  static std::mutex mutex;
  static std::vector<std::string> made_for{"none yet"};
  static NSMutableArray* devices;
  std::lock_guard<std::mutex> lock(mutex);
  watch_memory_faults();
  auto wanted = settings();
  if (made_for != wanted->devices) {
    made_for = wanted->devices;
    [devices release];
    devices = [[NSMutableArray alloc] init];
    for (const std::string& id : made_for) {
      SimDevice* device = [[SimDevice alloc] initWithProfile:find_profile(id)
                                                      number:static_cast<int>([devices count])];
      [devices addObject:device];
      [device release];
    }
  }
  return devices;
}

}  // namespace

/// What layers say that `MTL_DEBUG_LAYER` and `MTL_SHADER_VALIDATION` switch on, once in a process.
static void announce_layers() {
  static const bool announced = [] {
    write_own_line("2026-05-09 09:03:07.838 node[71:203] Metal API Validation Enabled\n");
    write_own_line("2026-05-09 09:03:07.839 node[71:203] Metal GPU Validation Enabled\n");
    return true;
  }();
  (void)announced;
}

id<MTLDevice> MTLCreateSystemDefaultDevice(void) {
  ++counters().deviceQueries;
  if (settings()->metalsOwnLines) announce_layers();
  NSArray* devices = all_devices();
  if (take_fault("MTLCreateSystemDefaultDevice")) return nil;
  if (!settings()->defaultDevice || [devices count] == 0) return nil;
  return [[devices objectAtIndex:0] retain];
}

NSArray* MTLCopyAllDevices(void) {
  ++counters().deviceQueries;
  return [[NSArray alloc] initWithArray:all_devices()];
}
