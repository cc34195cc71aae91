// Guarded copies and the protection of host pages. Callers hold the flight table's lock.
#include "memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "report.h"

namespace metal_sim {
namespace {

// Wide enough that a stray index of a whole thread-group lands in it.
constexpr size_t kGuard = 1u << 20;

size_t host_page() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

/// Each block takes up to three mappings, and Linux gives a process some 65,000. Blocks beyond
/// these lie in a heap, side by side.
constexpr int kGuardedBlocks = 8192;
std::atomic<int> guarded_blocks{0};

size_t round_up(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace

GuardedBlock::GuardedBlock(size_t length) : length_(length) {
  is_guarded_ = ++guarded_blocks <= kGuardedBlocks;
  if (!is_guarded_) {
    --guarded_blocks;
    mapped_ = round_up(length, 16);
    base_ = data_ = static_cast<uint8_t*>(std::aligned_alloc(16, mapped_));
    if (!base_) misuse("no memory for a copy of %zu bytes", mapped_);
    return;
  }
  size_t usable = round_up(length, host_page());
  mapped_ = usable + 2 * kGuard;
  void* base =
      mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) misuse("no address space for %zu bytes", mapped_);
  base_ = static_cast<uint8_t*>(base);
  if (mprotect(base_ + kGuard, usable, PROT_READ | PROT_WRITE) != 0) {
    misuse("no memory for a copy of %zu bytes", usable);
  }
  // Vector types keep their alignment even if the length is odd.
  data_ = base_ + kGuard + usable - round_up(length, 16);
}

GuardedBlock::~GuardedBlock() {
  if (is_guarded_) {
    munmap(base_, mapped_);
    --guarded_blocks;
  } else {
    std::free(base_);
  }
}

Range GuardedBlock::zone() const {
  return {reinterpret_cast<uintptr_t>(base_), reinterpret_cast<uintptr_t>(base_) + mapped_};
}

BufferMemory::BufferMemory(uint8_t* host, size_t length, bool tracked, bool private_storage,
                           uint64_t serial)
    : host_(host),
      length_(length),
      tracked_(tracked),
      private_storage_(private_storage),
      serial_(serial) {}

BufferMemory::~BufferMemory() = default;

Range BufferMemory::host_range() const {
  return {reinterpret_cast<uintptr_t>(host_), reinterpret_cast<uintptr_t>(host_) + length_};
}

void BufferMemory::protect(int protection) {
  if (copy_ && !copy_->is_guarded()) return;  // its pages would be mappings of their own, too
  if (mprotect(host_, round_up(length_, host_page()), protection) == 0) return;
  violation("B6",
            "the memory of buffer #%llu (%p, %zu bytes) is gone while a command buffer uses it: %s",
            static_cast<unsigned long long>(serial_), static_cast<void*>(host_), length_,
            strerror(errno));
}

void BufferMemory::begin_flight(bool writes) {
  if (flights_++ == 0) {
    protect(PROT_READ | PROT_WRITE);
    if (!copy_) copy_ = std::make_unique<GuardedBlock>(length_);
    memcpy(copy_->data(), host_, length_);
    protect(PROT_READ);
  }
  if (writes && writing_flights_++ == 0) protect(PROT_NONE);
}

void BufferMemory::copy_back(const RangeSet& written, const RangeSet& kept) {
  uintptr_t base = reinterpret_cast<uintptr_t>(host_);
  for (const Range& range : kept.ranges()) {
    memcpy(host_ + (range.begin - base), copy_->data() + (range.begin - base),
           range.end - range.begin);
  }
  // What a failed command buffer did not bring home must not be seen by the next one either.
  for (const Range& range : written.ranges()) {
    memcpy(copy_->data() + (range.begin - base), host_ + (range.begin - base),
           range.end - range.begin);
  }
}

void BufferMemory::end_flight(bool writes, const RangeSet& written, const RangeSet& kept) {
  if (writes) {
    protect(PROT_READ | PROT_WRITE);
    copy_back(written, kept);
    --writing_flights_;
  }
  --flights_;
  protect(flights_ == 0 ? PROT_READ | PROT_WRITE : writing_flights_ ? PROT_NONE : PROT_READ);
}

void BufferMemory::open_host_page(uintptr_t address) {
  uintptr_t page = address / host_page() * host_page();
  mprotect(reinterpret_cast<void*>(page), host_page(), PROT_READ | PROT_WRITE);
}

}  // namespace metal_sim
