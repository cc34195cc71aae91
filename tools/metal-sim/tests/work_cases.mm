// What a correct program gets: values, counters, status.
#import "harness.h"

#include <chrono>
#include <cmath>

#include "sim_control.h"

WORKS(scalar_kernel_on_wrapped_memory) {
  constexpr unsigned kCount = 10000;
  float* y = pages(kCount, 0);
  float* x = pages(kCount, 5);
  Work work = begin();
  encode_scale(work, wrap(y, kCount), wrap(x, kCount), kCount);
  finish(work);
  CHECK([work.commands status] == MTLCommandBufferStatusCompleted);
  CHECK([work.commands error] == nil);
  for (unsigned i = 0; i < kCount; ++i) CHECK(y[i] == 2 * (5 + static_cast<float>(i)) + 1);
  CHECK(y[kCount] == static_cast<float>(kCount));
  CHECK(x[0] == 5);
}

WORKS(vector_kernel_with_tail) {
  constexpr unsigned kCount = 4 * 1000 + 3;
  float* y = pages(kCount, 0);
  float* x = pages(kCount, 5);
  Work work = begin();
  [work.encoder setComputePipelineState:pipeline("good", "scale_vector")];
  bind(work, wrap(y, kCount), wrap(x, kCount));
  set_scale(work, {0.5f, -3, kCount});
  [work.encoder dispatchThreads:MTLSizeMake((kCount + 3) / 4, 1, 1)
          threadsPerThreadgroup:MTLSizeMake(256, 1, 1)];
  finish(work);
  for (unsigned i = 0; i < kCount; ++i) CHECK(y[i] == 0.5f * (5 + static_cast<float>(i)) - 3);
  CHECK(y[kCount] == static_cast<float>(kCount));
}

WORKS(time_in_calls_is_the_callers) {
  configure(R"({"stepLatencyMs": 40, "freshHandlerThreads": true})");
  id<MTLBuffer> y = wrap(pages(100, 0), 100), x = wrap(pages(100, 1), 100);
  for (bool waiting : {false, true}) {
    Work work = begin();
    encode_scale(work, y, x, 100);
    [work.encoder endEncoding];
    long before = counter("callNanoseconds");
    auto start = std::chrono::steady_clock::now();
    [work.commands commit];
    if (waiting) [work.commands waitUntilCompleted];
    std::chrono::nanoseconds took = std::chrono::steady_clock::now() - start;
    metal_sim_drain();  // what other threads do is nobody's call
    long counted = counter("callNanoseconds") - before;
    CHECK(counted > (waiting ? 40000000 : 0));
    CHECK(counted <= took.count());
  }
  CHECK(counter("gpuNanoseconds") >= 80000000);
}
