// Cases of the simulator's own test, each run in a process of its own.
#ifndef METAL_SGD_TEST_METAL_SIM_TESTS_HARNESS_H_
#define METAL_SGD_TEST_METAL_SIM_TESTS_HARNESS_H_

#include <cstddef>
#include <string>
#include <vector>

#import "sim_classes.h"

/// One case. `rule` is the id that it breaks, or null for a case that must run to its end.
struct Case {
  const char* name;
  const char* rule;
  void (*run)();
};

std::vector<Case>& cases();

struct Register {
  Register(const char* name, const char* rule, void (*run)()) {
    cases().push_back({name, rule, run});
  }
};

/// A case that must succeed, and one that must end with a rule's id.
#define WORKS(name)                                            \
  static void name();                                          \
  static const Register register_##name(#name, nullptr, name); \
  static void name()
#define BREAKS(rule, name)                                  \
  static void name();                                       \
  static const Register register_##name(#name, rule, name); \
  static void name()

/// Ends the case unless `condition`; says where.
#define CHECK(condition) check(condition, #condition, __FILE__, __LINE__)
void check(bool condition, const char* text, const char* file, int line);

/// As the struct of good.metal and the one of bad.metal.
struct Scale {
  float factor;
  float offset;
  unsigned count;
};
struct ShiftedRange {
  unsigned count;
  int shift;
};

constexpr size_t kTestPage = 16384;
constexpr MTLResourceOptions kUntracked =
    MTLResourceStorageModeShared | MTLResourceHazardTrackingModeUntracked;

/// `count` floats on whole pages, the first one `first`, the next one more.
float* pages(size_t count, float first);
size_t page_bytes(size_t count);

SimDevice* device();
SimCommandQueue* queue();
id<MTLBuffer> wrap(float* memory, size_t count, MTLResourceOptions options = kUntracked);
/// The Metal text of "good" or "bad".
std::string text_of(const char* text);
/// Compiled; without options, fast math is off.
id<MTLLibrary> library(const char* text, MTLCompileOptions* options = nil);
id<MTLComputePipelineState> pipeline(const char* text, const char* kernel,
                                     MTLCompileOptions* options = nil);

/// Of the simulator's own types, which know more calls than Metal.h declares.
SimCommandBuffer* commands_of(id<MTLCommandQueue> queue);
SimCommandBuffer* unretained_commands_of(id<MTLCommandQueue> queue);
SimComputeEncoder* encoder_of(SimCommandBuffer* commands,
                              MTLDispatchType type = MTLDispatchTypeConcurrent);

/// An encoder with a command buffer of its own; both belong to the pool of the case.
struct Work {
  SimCommandBuffer* commands;
  SimComputeEncoder* encoder;
};
Work begin(MTLDispatchType type = MTLDispatchTypeConcurrent);
void bind(const Work& work, id<MTLBuffer> y, id<MTLBuffer> x, size_t offset = 0);
void set_scale(const Work& work, Scale scale);
void finish(const Work& work);

/// Encodes y <- 2 x + 1 on `count` elements with scale_scalar.
void encode_scale(const Work& work, id<MTLBuffer> y, id<MTLBuffer> x, unsigned count);
/// One dispatch of a kernel of bad.metal.
void encode_bad(const Work& work, const char* kernel, id<MTLBuffer> y, id<MTLBuffer> x,
                ShiftedRange range);

void configure(const char* json);
/// The number behind "name": in the counters.
long counter(const char* name);

#endif  // METAL_SGD_TEST_METAL_SIM_TESTS_HARNESS_H_
