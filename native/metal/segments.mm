#include "segments.h"

#include <algorithm>
#include <cstring>

namespace metal_sgd {

namespace {

Owned<id<MTLBuffer>> staging_buffer(size_t bytes) {
  // Rounded up, so that the vector path's last 16 bytes lie inside.
  Owned<id<MTLBuffer>> buffer([MetalDevice::instance().device()
      newBufferWithLength:(bytes + 255) / 256 * 256
                  options:MTLResourceStorageModeShared]);
  if (!buffer) throw GpuFailure(GpuError::kOutOfMemory, "Metal made no staging buffer");
  [buffer.get() setLabel:@"metal-sgd staging"];
  return buffer;
}

/// Elements that one dispatch may step; far below the 2^32 that a thread's position can count.
size_t max_elements(const Span& span) { return kMaxTraffic / element_traffic(span) / 256 * 256; }

constexpr bool is_written(int index) { return index != SGD_GRADIENT_BUFFER; }

}  // namespace

Segments::Bound::Bound(const Span& span) {
  streams[SGD_PARAMETER_BUFFER] = span.streams[kParameter];
  streams[SGD_GRADIENT_BUFFER] = span.gradients[0];
  streams[SGD_VELOCITY_BUFFER] = span.streams[kVelocity];
}

bool Segments::Bound::in_arenas() const {
  return std::all_of(std::begin(streams), std::end(streams),
                     [](const Stream& stream) { return !stream || stream.arena; });
}

void Segments::add(const Span& span) {
  if (Bound(span).in_arenas()) {
    add_wrapped(span);
  } else {
    add_staged(span);
  }
}

/// Cuts at the ends of the arenas' windows too.
void Segments::add_wrapped(const Span& span) {
  Bound bound(span);
  std::shared_ptr<ArenaBuffers> wrappers[kStreamBuffers];
  for (int i = 0; i < kStreamBuffers; i++) {
    if (!bound.streams[i]) continue;
    wrappers[i] = ArenaBuffers::wrap(*bound.streams[i].arena);
    if (arenas_.empty() || arenas_.back() != wrappers[i]) arenas_.push_back(wrappers[i]);
  }
  for (size_t first = 0; first < span.count;) {
    size_t most = std::min(span.count - first, max_elements(span));
    Segment segment{{}, most, 0, span.dtype(), true, span.group};
    for (int i = 0; i < kStreamBuffers; i++) {
      if (!bound.streams[i]) continue;
      ArenaBuffers::Place place = wrappers[i]->place(bound.streams[i].from(first).data);
      segment.places[i] = place;
      segment.count = std::min(segment.count, place.room / item_size(bound.streams[i].dtype));
      segment.vector = segment.vector && place.offset % SGD_VECTOR_BYTES == 0;
    }
    // Correct windows never come to this; wrong ones would grow the list without end.
    if (segment.count == 0)
      throw GpuFailure(GpuError::kPageFault, "a leaf lies outside its arena's buffers");
    segment.traffic = segment.count * element_traffic(span);
    segments_.push_back(segment);
    first += segment.count;
  }
}

void Segments::add_staged(const Span& span) {
  size_t longest = [MetalDevice::instance().device() maxBufferLength] / 256 * 256;
  size_t limit = std::min<size_t>(longest / item_size(span.dtype()), max_elements(span));
  for (size_t first = 0; first < span.count; first += limit) {
    size_t count = std::min(limit, span.count - first);
    Staged staged{Bound(span), count, {}, span.group};
    Segment segment{{}, count, count * element_traffic(span), span.dtype(), true, span.group};
    for (int i = 0; i < kStreamBuffers; i++) {
      Stream& stream = staged.bound.streams[i];
      if (!stream) continue;
      stream = stream.from(first);
      staged.buffers[i] = staging_buffer(count * item_size(stream.dtype));
      segment.places[i] = {staged.buffers[i].get(), 0, [staged.buffers[i].get() length]};
    }
    segments_.push_back(segment);
    staged_.push_back(std::move(staged));
  }
}

size_t Segments::copy_in(const HasMomentum& momentum) {
  size_t copied = 0;
  for (const Staged& staged : staged_) {
    for (int i = 0; i < kStreamBuffers; i++) {
      const Stream& stream = staged.bound.streams[i];
      if (!stream || !is_used(i, momentum(staged.group))) continue;
      size_t bytes = staged.count * item_size(stream.dtype);
      std::memcpy([staged.buffers[i].get() contents], stream.data, bytes);
      copied += bytes;
    }
  }
  return copied;
}

size_t Segments::copy_out(const HasMomentum& momentum) {
  size_t copied = 0;
  for (const Staged& staged : staged_) {
    for (int i = 0; i < kStreamBuffers; i++) {
      const Stream& stream = staged.bound.streams[i];
      if (!stream || !is_used(i, momentum(staged.group)) || !is_written(i)) continue;
      size_t bytes = staged.count * item_size(stream.dtype);
      std::memcpy(stream.data, [staged.buffers[i].get() contents], bytes);
      copied += bytes;
    }
  }
  return copied;
}

}  // namespace metal_sgd
