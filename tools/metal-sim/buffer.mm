// Buffers: memory of their own, or the caller's pages.
#import "sim_classes.h"

#include <sys/mman.h>

#include <cstdio>

#import <objc/blocks_runtime.h>

#include "report.h"

using namespace metal_sim;

namespace {

size_t whole_pages(size_t length) { return (length + kPage - 1) / kPage * kPage; }

/// Empty if [begin, begin + length) is one anonymous region that the process may read and write.
std::string region_problem(uintptr_t begin, size_t length) {
  FILE* maps = fopen("/proc/self/maps", "r");
  if (!maps) misuse("cannot read the list of memory regions");
  uintptr_t covered = begin;
  std::string problem = "it is not mapped";
  char line[512];
  while (covered < begin + length && fgets(line, sizeof line, maps)) {
    size_t first, last, inode;
    char rights[8];
    if (sscanf(line, "%zx-%zx %7s %*x %*s %zu", &first, &last, rights, &inode) != 4) continue;
    if (last <= covered) continue;
    if (first > covered) break;
    problem = inode != 0                             ? "it is mapped from a file"
              : rights[0] != 'r' || rights[1] != 'w' ? "the process may not read and write it"
                                                     : "";
    if (!problem.empty()) break;
    covered = last;
  }
  fclose(maps);
  return covered >= begin + length ? "" : problem.empty() ? "it has a gap" : problem;
}

void check_wrapped(void* pointer, size_t length) {
  uintptr_t address = reinterpret_cast<uintptr_t>(pointer);
  if (address % kPage != 0) {
    violation("B1", "newBufferWithBytesNoCopy:pointer %p is not %zu byte aligned.", pointer, kPage);
  }
  if (length % kPage != 0) {
    violation("B1", "newBufferWithBytesNoCopy:length %#zx is not %zu byte aligned.", length, kPage);
  }
  // Pages that a command buffer in flight protects are B11's matter, at commit.
  if (flight_over({address, address + length})) return;
  std::string problem = region_problem(address, length);
  if (!problem.empty()) {
    violation("B2",
              "newBufferWithBytesNoCopy: %p, %zu bytes: not one region of anonymous memory: %s",
              pointer, length, problem.c_str());
  }
}

}  // namespace

@implementation SimBuffer

- (instancetype)initWithDevice:(SimDevice*)device
                          host:(void*)host
                        length:(NSUInteger)length
                       options:(MTLResourceOptions)options {
  self = [super initWithKind:Kind::kBuffer];
  device_ = [device retain];
  memory_ = new std::shared_ptr<BufferMemory>(std::make_shared<BufferMemory>(
      static_cast<uint8_t*>(host), length, (options & MTLResourceHazardTrackingModeUntracked) == 0,
      (options & MTLResourceStorageModePrivate) != 0, serial_));
  live_buffer_bytes() += length;
  return self;
}

- (instancetype)initWithDevice:(SimDevice*)device
                        length:(NSUInteger)length
                       options:(MTLResourceOptions)options {
  void* host = mmap(nullptr, whole_pages(length), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (host == MAP_FAILED) misuse("no memory for a buffer of %zu bytes", length);
  return [self initWithDevice:device host:host length:length options:options];
}

- (instancetype)initWithDevice:(SimDevice*)device
                         bytes:(void*)bytes
                        length:(NSUInteger)length
                       options:(MTLResourceOptions)options
                   deallocator:(void (^)(void*, NSUInteger))deallocator {
  check_wrapped(bytes, length);
  self = [self initWithDevice:device host:bytes length:length options:options];
  wrapped_ = true;
  if (deallocator) deallocator_ = Block_copy(deallocator);
  return self;
}

- (void)dealloc {
  CallTimer timed;
  uint8_t* host = (*memory_)->host();
  NSUInteger length = (*memory_)->length();
  live_buffer_bytes() -= length;
  SimDevice* device = device_;
  void (^deallocator)(void*, NSUInteger) = deallocator_;
  std::shared_ptr<BufferMemory>* memory = memory_;
  bool wrapped = wrapped_;
  [super dealloc];  // fatal while a command buffer needs this
  delete memory;
  if (!wrapped) munmap(host, whole_pages(length));
  if (deallocator) {
    deallocator(host, length);
    Block_release(deallocator);
  }
  [device release];
}

- (SimDevice*)device {
  return device_;
}

- (const std::shared_ptr<BufferMemory>&)memory {
  return *memory_;
}

- (NSUInteger)length {
  CallTimer timed;
  return (*memory_)->length();
}

- (void*)contents {
  CallTimer timed;
  if ((*memory_)->private_storage()) {
    violation("B5", "%s has MTLResourceStorageModePrivate, which is not CPU accessible",
              describe(self).c_str());
  }
  return (*memory_)->host();
}

@end
