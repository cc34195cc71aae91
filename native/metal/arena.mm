#include "arena.h"

#include <algorithm>
#include <unordered_map>

namespace metal_sgd {

namespace {

struct Wrappers {
  std::mutex mutex;
  std::unordered_map<uint64_t, std::weak_ptr<ArenaBuffers>> by_id;
  size_t most = 64;  // then the expired ones go: a look at all for each new one takes seconds

  void drop_expired() {
    if (by_id.size() < most) return;
    for (auto entry = by_id.begin(); entry != by_id.end();) {
      entry = entry->second.expired() ? by_id.erase(entry) : std::next(entry);
    }
    most = std::max<size_t>(64, 2 * by_id.size());
  }
};

Wrappers& wrappers() {
  static Wrappers* all = new Wrappers;  // leaked: steps may outlive static destructors
  return *all;
}

}  // namespace

std::shared_ptr<ArenaBuffers> ArenaBuffers::wrap(const Arena& arena) {
  Wrappers& all = wrappers();
  std::lock_guard<std::mutex> lock(all.mutex);
  std::shared_ptr<ArenaBuffers> known = all.by_id[arena.id].lock();
  // The id stands in memory that other threads can write: it proves nothing by itself.
  if (known && known->pages_ == arena.pages && known->bytes_ == arena.bytes) return known;
  all.drop_expired();
  std::shared_ptr<ArenaBuffers> made(new ArenaBuffers(arena));
  all.by_id[arena.id] = made;
  return made;
}

ArenaBuffers::ArenaBuffers(const Arena& arena) : pages_(arena.pages), bytes_(arena.bytes) {
  id<MTLDevice> device = MetalDevice::instance().device();
  window_ = std::min<size_t>(arena.bytes, [device maxBufferLength] / kArenaPage * kArenaPage);
  for (size_t start = 0; start < arena.bytes; start += window_) {
    Owned<id<MTLBuffer>> buffer([device
        newBufferWithBytesNoCopy:arena.pages + start
                          length:std::min(window_, arena.bytes - start)
                         options:MTLResourceStorageModeShared
                     deallocator:nil]);
    if (!buffer) throw GpuFailure(GpuError::kOutOfMemory, "Metal wrapped no arena");
    [buffer.get() setLabel:@"metal-sgd arena"];
    buffers_.push_back(std::move(buffer));
  }
}

ArenaBuffers::Place ArenaBuffers::place(const void* address) const {
  size_t distance = static_cast<const char*>(address) - pages_;
  if (distance >= bytes_) throw GpuFailure(GpuError::kPageFault, "a leaf lies outside its arena");
  id<MTLBuffer> buffer = buffers_[distance / window_].get();
  size_t offset = distance % window_;
  return {buffer, offset, [buffer length] - offset};
}

}  // namespace metal_sgd
