// Rules P1 to P11: sizes of grids, and order between what threads and dispatches touch.
#import "harness.h"

namespace {

constexpr unsigned kCount = 1000;

void dispatch(MTLSize grid, MTLSize group) {
  Work work = begin();
  [work.encoder setComputePipelineState:pipeline("good", "scale_scalar")];
  bind(work, wrap(pages(kCount, 0), kCount), wrap(pages(kCount, 0), kCount));
  set_scale(work, {1, 0, kCount});
  [work.encoder dispatchThreads:grid threadsPerThreadgroup:group];
  finish(work);
}

/// Two dispatches, the second one over what the first one wrote.
void twice(MTLDispatchType type, bool barrier, float* y) {
  Work work = begin(type);
  id<MTLBuffer> target = wrap(y, kCount);
  encode_scale(work, target, wrap(pages(kCount, 5), kCount), kCount);
  if (barrier) [work.encoder memoryBarrierWithScope:MTLBarrierScopeBuffers];
  encode_scale(work, wrap(pages(kCount, 0), kCount), target, kCount);
  finish(work);
}

}  // namespace

BREAKS("P1", zero_grid) { dispatch(MTLSizeMake(0, 1, 1), MTLSizeMake(32, 1, 1)); }

BREAKS("P1", zero_grid_depth) { dispatch(MTLSizeMake(32, 1, 0), MTLSizeMake(32, 1, 1)); }

BREAKS("P2", group_beyond_device) { dispatch(MTLSizeMake(2048, 1, 1), MTLSizeMake(1025, 1, 1)); }

BREAKS("P2", empty_group) { dispatch(MTLSizeMake(32, 1, 1), MTLSizeMake(0, 1, 1)); }

BREAKS("P3", group_beyond_pipeline) {
  configure("{\"maxTotalThreadsPerThreadgroup\":192}");
  dispatch(MTLSizeMake(kCount, 1, 1), MTLSizeMake(256, 1, 1));
}

BREAKS("P3", group_beyond_attribute) {
  Work work = begin();
  [work.encoder setComputePipelineState:pipeline("good", "scale_vector")];
  [work.encoder dispatchThreads:MTLSizeMake(512, 1, 1)
          threadsPerThreadgroup:MTLSizeMake(512, 1, 1)];
}

BREAKS("P5", uneven_grid_on_an_old_device) {
  configure("{\"nonUniformThreadgroups\":false}");
  dispatch(MTLSizeMake(kCount, 1, 1), MTLSizeMake(256, 1, 1));
}

BREAKS("P6", grid_beyond_uint) { dispatch(MTLSizeMake(1ull << 32, 1, 1), MTLSizeMake(256, 1, 1)); }

BREAKS("P6", grid_of_two_dimensions) { dispatch(MTLSizeMake(32, 2, 1), MTLSizeMake(32, 1, 1)); }

BREAKS("P7", barrier_in_serial_encoder) { twice(MTLDispatchTypeSerial, true, pages(kCount, 0)); }

BREAKS("P10", read_of_a_concurrent_write) {
  twice(MTLDispatchTypeConcurrent, false, pages(kCount, 0));
}

BREAKS("P10", concurrent_writes_of_one_element) {
  Work work = begin();
  id<MTLBuffer> y = wrap(pages(kCount, 0), kCount);
  id<MTLBuffer> x = wrap(pages(kCount, 0), kCount);
  encode_scale(work, y, x, kCount);
  bind(work, y, x, (kCount - 1) * sizeof(float));
  set_scale(work, {2, 1, 1});
  [work.encoder dispatchThreads:MTLSizeMake(1, 1, 1) threadsPerThreadgroup:MTLSizeMake(1, 1, 1)];
  finish(work);
}

BREAKS("P10", untracked_buffer_in_two_encoders) {
  Work work = begin(MTLDispatchTypeSerial);
  id<MTLBuffer> y = wrap(pages(kCount, 0), kCount);
  encode_scale(work, y, wrap(pages(kCount, 0), kCount), kCount);
  [work.encoder endEncoding];
  Work second{work.commands, encoder_of(work.commands)};
  encode_scale(second, y, wrap(pages(kCount, 0), kCount), kCount);
  finish(second);
}

WORKS(barrier_orders_dispatches) {
  float* y = pages(kCount, 0);
  twice(MTLDispatchTypeConcurrent, true, y);
  CHECK(y[0] == 11);
}

WORKS(serial_encoder_orders_dispatches) {
  float* y = pages(kCount, 0);
  twice(MTLDispatchTypeSerial, false, y);
  CHECK(y[0] == 11);
}

WORKS(neighbours_in_concurrent_dispatches) {
  Work work = begin();
  float* y = pages(kCount, 0);
  id<MTLBuffer> target = wrap(y, kCount);
  id<MTLBuffer> source = wrap(pages(kCount, 0), kCount);
  encode_scale(work, target, source, kCount / 2);
  bind(work, target, source, kCount / 2 * sizeof(float));
  [work.encoder dispatchThreads:MTLSizeMake(kCount / 2, 1, 1)
          threadsPerThreadgroup:MTLSizeMake(64, 1, 1)];
  finish(work);
  CHECK(y[0] == 1 && y[kCount - 1] == 2 * (kCount - 1) + 1 && y[kCount] == kCount);
}

BREAKS("P11", two_threads_write_one_element) {
  Work work = begin();
  encode_bad(work, "write_twice", wrap(pages(kCount, 0), kCount), nil, {kCount, 0});
  finish(work);
}

BREAKS("P11", a_thread_reads_what_another_writes) {
  Work work = begin();
  encode_bad(work, "smooth", wrap(pages(kCount, 0), kCount), nil, {kCount, 0});
  finish(work);
}

BREAKS("P11", overlap_at_thread_groups_of_a_large_grid) {
  constexpr unsigned kLarge = 100000;
  Work work = begin();
  encode_bad(work, "smooth", wrap(pages(kLarge, 0), kLarge), nil, {kLarge, 0});
  finish(work);
}
