// The compiler's hooks for traced kernels (-fsanitize-coverage=trace-loads,trace-stores).
#include "trace.h"

#include <algorithm>

namespace metal_sim {

METAL_SIM_FAST_THREAD_LOCAL Tracer* current_tracer = nullptr;

void Tracer::note(uintptr_t address, size_t size, bool write) {
  for (TracedRegion& region : regions_) {
    if (address < region.zone.begin || address >= region.zone.end) continue;
    if (address < region.data.begin || address + size > region.data.end)
      report_out_of_range(address);
    if (!region.recorded) return;
    if ((address - region.data.begin) % size != 0) report_unaligned(address, size);
    join(write ? region.writes : region.reads, {address, address + size}, write);
    return;
  }
}

// A kernel walks a few streams of one buffer at once: look at the newest few accesses only.
void Tracer::join(std::vector<Access>& accesses, Range bytes, bool write) {
  constexpr size_t kStreams = 4;
  size_t oldest = accesses.size() > kStreams ? accesses.size() - kStreams : 0;
  for (size_t i = accesses.size(); i > oldest; --i) {
    Access& access = accesses[i - 1];
    if ((access.first_thread ^ current_thread) >> joined_bits_) continue;
    bool repeated = (!write || access.last_thread == current_thread) &&
                    bytes.begin >= access.bytes.begin && bytes.end <= access.bytes.end;
    if (!repeated && bytes.begin != access.bytes.end) continue;
    access.bytes.end = std::max(access.bytes.end, bytes.end);
    access.last_thread = current_thread;
    return;
  }
  accesses.push_back({bytes, current_thread, current_thread});
}

namespace {

struct Event {
  Access access;
  bool write;
};

bool other_threads(const Access& a, const Access& b) {
  return a.last_thread < b.first_thread || b.last_thread < a.first_thread;
}

}  // namespace

bool find_conflict(const std::vector<Access>& reads, const std::vector<Access>& writes,
                   ThreadConflict* conflict) {
  std::vector<Event> events;
  events.reserve(reads.size() + writes.size());
  for (const Access& access : reads) events.push_back({access, false});
  for (const Access& access : writes) events.push_back({access, true});
  std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
    return a.access.bytes.begin < b.access.bytes.begin;
  });
  // Of the accesses so far, those that reach furthest.
  const Event* furthest[2] = {nullptr, nullptr};
  for (const Event& event : events) {
    for (const Event* earlier : furthest) {
      if (!earlier || !(earlier->write || event.write)) continue;
      uintptr_t end = std::min(earlier->access.bytes.end, event.access.bytes.end);
      if (event.access.bytes.begin >= end || !other_threads(earlier->access, event.access))
        continue;
      *conflict = {{event.access.bytes.begin, end},
                   earlier->access.first_thread,
                   event.access.first_thread,
                   earlier->write && event.write};
      return true;
    }
    const Event*& reaching = furthest[event.write];
    if (!reaching || event.access.bytes.end > reaching->access.bytes.end) reaching = &event;
  }
  return false;
}

}  // namespace metal_sim

#define METAL_SIM_HOOK(name, type, write)                                                         \
  extern "C"                                                                                      \
      __attribute__((visibility("hidden"))) void __sanitizer_cov_##name(const type* address) {    \
    if (metal_sim::current_tracer) {                                                              \
      metal_sim::current_tracer->note(reinterpret_cast<uintptr_t>(address), sizeof(type), write); \
    }                                                                                             \
  }
METAL_SIM_HOOK(load1, uint8_t, false)
METAL_SIM_HOOK(load2, uint16_t, false)
METAL_SIM_HOOK(load4, uint32_t, false)
METAL_SIM_HOOK(load8, uint64_t, false)
METAL_SIM_HOOK(load16, __uint128_t, false)
METAL_SIM_HOOK(store1, uint8_t, true)
METAL_SIM_HOOK(store2, uint16_t, true)
METAL_SIM_HOOK(store4, uint32_t, true)
METAL_SIM_HOOK(store8, uint64_t, true)
METAL_SIM_HOOK(store16, __uint128_t, true)
