// Compile options, libraries, functions and pipelines: names for what the build compiled.
#import "sim_classes.h"

#include <algorithm>
#include <cstring>

#include "report.h"
#include "settings.h"

using namespace metal_sim;

namespace {

/// As MTLMathMode of macOS 15, which Metal.h does not declare: programs ask for it at run time.
enum MathMode : NSInteger { kMathModeSafe = 0, kMathModeRelaxed = 1, kMathModeFast = 2 };

}  // namespace

/// Instance variables cannot be added to a declared class in this runtime, so this subclass has
/// them.
@interface SimCompileOptions : MTLCompileOptions {
  BOOL fast_math_;
  MTLLanguageVersion language_version_;
}
@end

@implementation MTLCompileOptions

@dynamic fastMathEnabled, languageVersion;

+ (instancetype)allocWithZone:(NSZone*)zone {
  return NSAllocateObject([SimCompileOptions class], 0, zone);
}

- (id)copyWithZone:(NSZone*)zone {
  MTLCompileOptions* copy = [[MTLCompileOptions allocWithZone:zone] init];
  copy.fastMathEnabled = self.fastMathEnabled;
  copy.languageVersion = self.languageVersion;
  return copy;
}

@end

@implementation SimCompileOptions

- (instancetype)init {
  self = [super init];
  fast_math_ = YES;
  return self;
}

- (BOOL)respondsToSelector:(SEL)selector {
  bool of_macos_15 =
      sel_isEqual(selector, @selector(setMathMode:)) || sel_isEqual(selector, @selector(mathMode));
  return of_macos_15 && !settings()->mathMode ? NO : [super respondsToSelector:selector];
}

- (BOOL)fastMathEnabled {
  return fast_math_;
}

- (void)setFastMathEnabled:(BOOL)fastMathEnabled {
  fast_math_ = fastMathEnabled;
}

- (NSInteger)mathMode {
  return fast_math_ ? kMathModeFast : kMathModeSafe;
}

- (void)setMathMode:(NSInteger)mathMode {
  fast_math_ = mathMode != kMathModeSafe;
}

- (MTLLanguageVersion)languageVersion {
  return language_version_;
}

- (void)setLanguageVersion:(MTLLanguageVersion)languageVersion {
  language_version_ = languageVersion;
}

@end

@implementation SimLibrary

- (instancetype)initWithDevice:(SimDevice*)device
                       kernels:(const KernelLibrary*)kernels
                      fastMath:(bool)fastMath {
  self = [super initWithKind:Kind::kLibrary];
  device_ = [device retain];
  kernels_ = kernels;
  fast_math_ = fastMath;
  return self;
}

- (void)dealloc {
  [device_ release];
  [super dealloc];
}

- (NSArray*)functionNames {
  NSMutableArray* names = [NSMutableArray array];
  for (size_t i = 0; i < kernels_->kernel_count; ++i) {
    [names addObject:[NSString stringWithUTF8String:kernels_->plain[i].name]];
  }
  return names;
}

- (id<MTLFunction>)newFunctionWithName:(NSString*)name {
  CallTimer timed;
  if (take_fault("newFunctionWithName")) return nil;
  for (size_t i = 0; i < kernels_->kernel_count; ++i) {
    if (strcmp(kernels_->plain[i].name, [name UTF8String]) != 0) continue;
    ++counters().functions;
    return [[SimFunction alloc] initWithDevice:device_
                                       kernels:kernels_
                                         index:i
                                      fastMath:fast_math_];
  }
  return nil;
}

@end

@implementation SimFunction

- (instancetype)initWithDevice:(SimDevice*)device
                       kernels:(const KernelLibrary*)kernels
                         index:(size_t)index
                      fastMath:(bool)fastMath {
  self = [super initWithKind:Kind::kFunction];
  device_ = [device retain];
  kernels_ = kernels;
  index_ = index;
  fast_math_ = fastMath;
  return self;
}

- (void)dealloc {
  [device_ release];
  [super dealloc];
}

- (NSString*)name {
  return [NSString stringWithUTF8String:kernels_->plain[index_].name];
}

- (SimDevice*)device {
  return device_;
}

- (const KernelLibrary*)kernels {
  return kernels_;
}

- (size_t)index {
  return index_;
}

- (bool)fastMath {
  return fast_math_;
}

@end

@implementation SimPipeline

- (instancetype)initWithFunction:(SimFunction*)function {
  self = [super initWithKind:Kind::kComputePipelineState];
  device_ = [[function device] retain];
  kernels_ = [function kernels];
  index_ = [function index];
  fast_math_ = [function fastMath];
  [self setLabel:[function name]];
  return self;
}

- (void)dealloc {
  SimDevice* device = device_;
  [super dealloc];
  [device release];
}

- (id<MTLDevice>)device {
  return device_;
}

- (const KernelLibrary*)kernels {
  return kernels_;
}

- (size_t)index {
  return index_;
}

- (bool)fastMath {
  return fast_math_;
}

- (NSUInteger)maxTotalThreadsPerThreadgroup {
  CallTimer timed;
  auto wanted = static_cast<NSUInteger>(settings()->maxTotalThreadsPerThreadgroup);
  return std::min<NSUInteger>(kernels_->plain[index_].max_threads, wanted);
}

@end
