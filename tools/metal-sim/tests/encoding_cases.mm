// Rules E1 to E12: state and arguments while encoding.
#import "harness.h"

#include <cstring>

namespace {

constexpr unsigned kCount = 1000;

id<MTLBuffer> some_buffer() { return wrap(pages(kCount, 0), kCount); }

void dispatch(const Work& work) {
  [work.encoder dispatchThreads:MTLSizeMake(kCount, 1, 1)
          threadsPerThreadgroup:MTLSizeMake(256, 1, 1)];
}

Work begin_with(const char* kernel) {
  Work work = begin();
  [work.encoder setComputePipelineState:pipeline("good", kernel)];
  return work;
}

}  // namespace

BREAKS("E1", dispatch_without_pipeline) { dispatch(begin()); }

BREAKS("E1", pipeline_of_another_encoder) {
  Work work = begin_with("scale_scalar");
  [work.encoder endEncoding];
  SimComputeEncoder* second = encoder_of(work.commands);
  [second dispatchThreads:MTLSizeMake(1, 1, 1) threadsPerThreadgroup:MTLSizeMake(1, 1, 1)];
}

BREAKS("E2", missing_buffer) {
  Work work = begin_with("scale_scalar");
  [work.encoder setBuffer:some_buffer() offset:0 atIndex:0];
  set_scale(work, {1, 0, kCount});
  dispatch(work);
}

BREAKS("E2", buffer_unbound_by_nil) {
  Work work = begin_with("scale_scalar");
  bind(work, some_buffer(), nil);
  set_scale(work, {1, 0, kCount});
  dispatch(work);
}

BREAKS("E3", too_few_bytes_for_struct) {
  Work work = begin_with("scale_scalar");
  bind(work, some_buffer(), some_buffer());
  float half_of_it[2] = {1, 0};
  [work.encoder setBytes:half_of_it length:sizeof half_of_it atIndex:2];
  dispatch(work);
}

BREAKS("E4", index_beyond_30) { [begin().encoder setBuffer:some_buffer() offset:0 atIndex:31]; }

BREAKS("E4", bytes_index_beyond_30) { [begin().encoder setBytes:"text" length:4 atIndex:31]; }

BREAKS("E5", offset_at_length) {
  [begin().encoder setBuffer:some_buffer() offset:kTestPage atIndex:0];
}

BREAKS("E6", vector_offset_misaligned) {
  Work work = begin_with("scale_vector");
  bind(work, some_buffer(), some_buffer(), 8);
  set_scale(work, {1, 0, 4});
  dispatch(work);
}

BREAKS("E6", half_vector_offset_misaligned) {
  Work work = begin_with("scale_half");
  bind(work, some_buffer(), some_buffer(), 4);
  set_scale(work, {1, 0, 4});
  dispatch(work);
}

BREAKS("E6", constant_offset_misaligned_on_an_older_gpu) {
  configure("{\"constantOffsetAlignment\":256}");
  Work work = begin_with("scale_scalar");
  bind(work, some_buffer(), some_buffer());
  [work.encoder setBuffer:some_buffer() offset:16 atIndex:2];
  dispatch(work);
}

WORKS(scalar_offset_of_four) {
  Work work = begin_with("scale_scalar");
  float* y = pages(kCount, 0);
  bind(work, wrap(y, kCount), some_buffer(), 4);
  set_scale(work, {2, 1, 10});
  [work.encoder dispatchThreads:MTLSizeMake(10, 1, 1) threadsPerThreadgroup:MTLSizeMake(32, 1, 1)];
  finish(work);
  CHECK(y[0] == 0 && y[1] == 3 && y[10] == 21 && y[11] == 11);
}

WORKS(offset_moved_without_rebinding) {
  Work work = begin_with("scale_scalar");
  float* y = pages(kCount, 0);
  bind(work, wrap(y, kCount), some_buffer());
  [work.encoder setBufferOffset:16 atIndex:0];
  set_scale(work, {2, 1, 1});
  [work.encoder dispatchThreads:MTLSizeMake(1, 1, 1) threadsPerThreadgroup:MTLSizeMake(1, 1, 1)];
  finish(work);
  CHECK(y[0] == 0 && y[4] == 1);
}

BREAKS("E7", no_bytes) { [begin().encoder setBytes:"" length:0 atIndex:2]; }

BREAKS("E7", more_than_4096_bytes) {
  char bytes[4097] = {};
  [begin().encoder setBytes:bytes length:sizeof bytes atIndex:2];
}

BREAKS("E8", bytes_for_a_written_argument) {
  Work work = begin_with("scale_scalar");
  bind(work, some_buffer(), some_buffer());
  float bytes[4] = {};
  [work.encoder setBytes:bytes length:sizeof bytes atIndex:0];
  set_scale(work, {1, 0, 4});
  dispatch(work);
}

BREAKS("E9", offset_without_buffer) { [begin().encoder setBufferOffset:0 atIndex:3]; }

BREAKS("E12", buffer_of_another_device) {
  configure("{\"devices\":[\"m1\",\"m4\"]}");
  SimDevice* other = [MTLCopyAllDevices() objectAtIndex:1];
  CHECK(other != device());
  id<MTLBuffer> buffer = [other newBufferWithLength:64 options:kUntracked];
  [begin().encoder setBuffer:buffer offset:0 atIndex:0];
}

BREAKS("E12", function_of_another_device) {
  configure("{\"devices\":[\"m1\",\"m4\"]}");
  id<MTLFunction> function = [library("good") newFunctionWithName:@"scale_scalar"];
  SimDevice* other = [MTLCopyAllDevices() objectAtIndex:1];
  [other newComputePipelineStateWithFunction:function error:nullptr];
}
