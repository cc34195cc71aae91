// Rules B1 to B5, B9 and B10: wrapping memory, and reaching beyond it.
#import "harness.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <thread>

#include "sim_control.h"

namespace {

constexpr unsigned kCount = 4096;  // one page exactly

id<MTLBuffer> wrap_bytes(void* memory, size_t length) {
  return [device() newBufferWithBytesNoCopy:memory
                                     length:length
                                    options:kUntracked
                                deallocator:nullptr];
}

void run_bad(const char* kernel, int shift) {
  Work work = begin();
  encode_bad(work, kernel, wrap(pages(kCount, 0), kCount), wrap(pages(kCount, 0), kCount),
             {kCount, shift});
  finish(work);
}

struct InFlight {
  float* y;
  float* x;
  Work work;
};

/// A step that takes its time, on the first 100 floats of y and x.
InFlight commit_slow_step() {
  configure("{\"stepLatencyMs\":300}");
  InFlight step{pages(kCount, 0), pages(kCount, 0), begin()};
  encode_scale(step.work, wrap(step.y, kCount), wrap(step.x, kCount), 100);
  [step.work.encoder endEncoding];
  [step.work.commands commit];
  return step;
}

}  // namespace

BREAKS("B1", pointer_not_on_a_page) {
  wrap_bytes(reinterpret_cast<char*>(pages(1, 0)) + 4096, kTestPage);
}

BREAKS("B1", length_not_whole_pages) { wrap_bytes(pages(1, 0), 4096); }

BREAKS("B2", file_mapping) {
  char name[] = "/tmp/metal-sim-XXXXXX";
  int file = mkstemp(name);
  CHECK(file >= 0 && unlink(name) == 0 && ftruncate(file, 2 * kTestPage) == 0);
  void* mapped = mmap(pages(2 * kCount, 0), kTestPage, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_FIXED, file, 0);
  wrap_bytes(mapped, kTestPage);
}

BREAKS("B2", region_with_a_hole) {
  float* memory = pages(2 * kCount, 0);
  munmap(memory + kCount, 4096);
  wrap_bytes(memory, 2 * kTestPage);
}

BREAKS("B2", region_without_access) {
  float* memory = pages(2 * kCount, 0);
  mprotect(memory + kCount, kTestPage, PROT_NONE);
  wrap_bytes(memory, 2 * kTestPage);
}

BREAKS("B3", zero_length) { [device() newBufferWithLength:0 options:kUntracked]; }

BREAKS("B3", zero_length_wrapped) { wrap_bytes(pages(1, 0), 0); }

BREAKS("B4", longer_than_the_device_allows) {
  configure("{\"maxBufferLength\":65536}");
  wrap_bytes(pages(8 * kCount, 0), 5 * kTestPage);
}

BREAKS("B5", contents_of_private_memory) {
  [[device() newBufferWithLength:64 options:MTLResourceStorageModePrivate] contents];
}

BREAKS("B9", write_before_the_start) { run_bad("copy_shifted", -1); }

BREAKS("B9", write_past_the_end) { run_bad("copy_shifted", 1); }

BREAKS("B9", tail_one_too_far) { run_bad("tail_off_by_one", 0); }

BREAKS("B9", read_past_the_end) { run_bad("read_shifted", 1); }

BREAKS("B9", read_past_the_end_of_odd_length) {
  // Within the 16 bytes that the copy is rounded up to.
  Work work = begin();
  id<MTLBuffer> x = [device() newBufferWithLength:10 * sizeof(float) options:kUntracked];
  encode_bad(work, "read_shifted", wrap(pages(kCount, 0), kCount), x, {10, 1});
  finish(work);
}

BREAKS("B14", vector_at_any_element) { run_bad("unaligned_vector", 1); }

BREAKS("B9", guard_page_without_trace) {
  configure("{\"trace\":false}");
  run_bad("copy_shifted", 1);
}

BREAKS("B10", host_reads_written_memory) {
  InFlight step = commit_slow_step();
  volatile float seen = step.y[99];
  (void)seen;
}

BREAKS("B10", host_writes_read_memory) {
  InFlight step = commit_slow_step();
  step.x[0] = 1;
}

BREAKS("B10", another_thread_reads_written_memory) {
  InFlight step = commit_slow_step();
  std::thread([&] {
    volatile float seen = step.y[0];
    (void)seen;
  }).join();
}

WORKS(host_reads_what_is_only_read) {
  InFlight step = commit_slow_step();
  CHECK(step.x[99] == 99);
  [step.work.commands waitUntilCompleted];
  CHECK(step.y[99] == 2 * 99 + 1);
}

WORKS(host_uses_neighbours_of_a_step) {
  InFlight step = commit_slow_step();
  step.y[100] = -1;
  CHECK(step.y[101] == 101);
  step.x[100] = -2;
  [step.work.commands waitUntilCompleted];
  CHECK(step.y[100] == -1 && step.x[100] == -2 && step.y[99] == 199);
}

WORKS(memory_is_free_in_the_handler) {
  configure("{\"stepLatencyMs\":50}");
  float* y = pages(kCount, 0);
  Work work = begin();
  encode_scale(work, wrap(y, kCount), wrap(pages(kCount, 0), kCount), kCount);
  [work.encoder endEncoding];
  __block float seen = 0;
  __block bool completed = false;
  [work.commands addCompletedHandler:^(id<MTLCommandBuffer> commands) {
    seen = y[1];
    completed = [commands status] == MTLCommandBufferStatusCompleted;
  }];
  [work.commands commit];
  [work.commands waitUntilCompleted];
  metal_sim_drain();
  CHECK(seen == 3 && completed);
}
