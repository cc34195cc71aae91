// The short words that cases are written in.
#import "harness.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "sim_control.h"

std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

void check(bool condition, const char* text, const char* file, int line) {
  if (condition) return;
  fprintf(stderr, "%s:%d: not so: %s\n", file, line, text);
  _exit(1);
}

size_t page_bytes(size_t count) {
  return (count * sizeof(float) + kTestPage - 1) / kTestPage * kTestPage;
}

float* pages(size_t count, float first) {
  // Linux aligns to its own, smaller page.
  size_t bytes = page_bytes(count);
  void* mapped =
      mmap(nullptr, bytes + kTestPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uintptr_t start = (reinterpret_cast<uintptr_t>(mapped) + kTestPage - 1) / kTestPage * kTestPage;
  float* memory = reinterpret_cast<float*>(start);
  for (size_t i = 0; i < bytes / sizeof(float); ++i) memory[i] = first + static_cast<float>(i);
  return memory;
}

SimDevice* device() {
  static SimDevice* only = static_cast<SimDevice*>(MTLCreateSystemDefaultDevice());
  return only;
}

SimCommandQueue* queue() {
  static SimCommandQueue* only = static_cast<SimCommandQueue*>([device() newCommandQueue]);
  return only;
}

id<MTLBuffer> wrap(float* memory, size_t count, MTLResourceOptions options) {
  return [device() newBufferWithBytesNoCopy:memory
                                     length:page_bytes(count)
                                    options:options
                                deallocator:nullptr];
}

std::string text_of(const char* text) {
  std::ifstream file(std::string(METAL_SIM_TEST_KERNELS "/") + text + ".metal");
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

id<MTLLibrary> library(const char* text, MTLCompileOptions* options) {
  MTLCompileOptions* safe = [[[MTLCompileOptions alloc] init] autorelease];
  safe.fastMathEnabled = NO;
  NSError* error = nil;
  id<MTLLibrary> made =
      [device() newLibraryWithSource:[NSString stringWithUTF8String:text_of(text).c_str()]
                             options:options ? options : safe
                               error:&error];
  if (!made) fprintf(stderr, "%s\n", [[error localizedDescription] UTF8String]);
  return made;
}

id<MTLComputePipelineState> pipeline(const char* text, const char* kernel,
                                     MTLCompileOptions* options) {
  id<MTLLibrary> of = library(text, options);
  id<MTLFunction> function = [of newFunctionWithName:[NSString stringWithUTF8String:kernel]];
  id<MTLComputePipelineState> made = [device() newComputePipelineStateWithFunction:function
                                                                             error:nullptr];
  [function release];
  [of release];
  return made;
}

SimCommandBuffer* commands_of(id<MTLCommandQueue> queue) {
  return static_cast<SimCommandBuffer*>([queue commandBuffer]);
}

SimCommandBuffer* unretained_commands_of(id<MTLCommandQueue> queue) {
  return static_cast<SimCommandBuffer*>(
      [static_cast<SimCommandQueue*>(queue) commandBufferWithUnretainedReferences]);
}

SimComputeEncoder* encoder_of(SimCommandBuffer* commands, MTLDispatchType type) {
  return static_cast<SimComputeEncoder*>([commands computeCommandEncoderWithDispatchType:type]);
}

Work begin(MTLDispatchType type) {
  SimCommandBuffer* commands = commands_of(queue());
  return {commands, encoder_of(commands, type)};
}

void bind(const Work& work, id<MTLBuffer> y, id<MTLBuffer> x, size_t offset) {
  [work.encoder setBuffer:y offset:offset atIndex:0];
  [work.encoder setBuffer:x offset:offset atIndex:1];
}

void set_scale(const Work& work, Scale scale) {
  [work.encoder setBytes:&scale length:sizeof scale atIndex:2];
}

void finish(const Work& work) {
  [work.encoder endEncoding];
  [work.commands commit];
  [work.commands waitUntilCompleted];
}

void encode_scale(const Work& work, id<MTLBuffer> y, id<MTLBuffer> x, unsigned count) {
  static id<MTLComputePipelineState> scalar = pipeline("good", "scale_scalar");
  [work.encoder setComputePipelineState:scalar];
  bind(work, y, x);
  set_scale(work, {2, 1, count});
  [work.encoder dispatchThreads:MTLSizeMake(count, 1, 1)
          threadsPerThreadgroup:MTLSizeMake(256, 1, 1)];
}

void encode_bad(const Work& work, const char* kernel, id<MTLBuffer> y, id<MTLBuffer> x,
                ShiftedRange range) {
  [work.encoder setComputePipelineState:pipeline("bad", kernel)];
  bind(work, y, x);
  [work.encoder setBytes:&range length:sizeof range atIndex:2];
  [work.encoder dispatchThreads:MTLSizeMake(range.count + 1, 1, 1)
          threadsPerThreadgroup:MTLSizeMake(256, 1, 1)];
}

void configure(const char* json) {
  char* refusal = metal_sim_configure(json);
  if (refusal) fprintf(stderr, "%s\n", refusal);
  CHECK(refusal == nullptr);
}

long counter(const char* name) {
  char* json = metal_sim_counters();
  const char* found = strstr(json, (std::string("\"") + name + "\":").c_str());
  CHECK(found != nullptr);
  long value = atol(found + strlen(name) + 3);
  free(json);
  return value;
}
