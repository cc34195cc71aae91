// The plain kernels against the CPU, to the bit, over the interface of backends alone.
#include "self_test.h"

#include "values.h"

namespace metal_sgd {

namespace {

Span span_over(Stream w, Stream g, Stream v, size_t bytes) {
  Span span;
  span.streams[kParameter] = w;
  span.streams[kVelocity] = v;
  span.gradients = {g};
  span.count = bytes / item_size(w.dtype);
  return span;
}

Streams stepped_on_cpu(Dtype dtype, const StepSettings& settings) {
  Streams streams = streams_for(dtype);
  Span span = span_over({streams.w.data(), dtype}, {streams.g.data(), dtype},
                        {streams.v.data(), dtype}, streams.w.size());
  cpu_backend().prepare({span})->run(settings);
  return streams;
}

Streams stepped_on_gpu(Dtype dtype, const StepSettings& settings, size_t skip) {
  Streams streams = streams_for(dtype);
  // TypeScript's arenas have random ids, which are hardly these.
  ScratchArena w(streams.w, skip, 1), g(streams.g, skip, 2), v(streams.v, skip, 3);
  Span span = span_over(w.stream(dtype), g.stream(dtype), v.stream(dtype), streams.w.size());
  gpu_backend()->prepare({span})->run(settings);
  w.copy_to(streams.w);
  v.copy_to(streams.v);
  return streams;
}

}  // namespace

Comparison test_plain(Dtype dtype) {
  const Hyperparameters cases[] = {{0.5, 0, 0, 0, false},
                                   {0.49999997, 0, 1e-4, 0, false},
                                   {0.50000006, 0.9, 0, 0, false},
                                   {0.5, 0.9, 0.01, 0.3, false},
                                   {0.1, 0.95, 1e-4, 0, true}};
  Comparison found;
  for (const Hyperparameters& given : cases) {
    Streams flushed = stepped_on_cpu(dtype, {given, Subnormals::kFlush});
    Streams kept = stepped_on_cpu(dtype, {given, Subnormals::kKeep});
    // Bytes before every stream choose the vector path (0) or the scalar one.
    for (size_t skip : {size_t{0}, item_size(dtype)}) {
      Streams on_gpu = stepped_on_gpu(dtype, {given, Subnormals::kFlush}, skip);
      compare_streams(dtype, "parameter", flushed.w, kept.w, on_gpu.w, found);
      compare_streams(dtype, "velocity", flushed.v, kept.v, on_gpu.v, found);
      if (found.match == Match::kDifferent) return found;
    }
  }
  return found;
}

}  // namespace metal_sgd
