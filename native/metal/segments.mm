#include "segments.h"

#include <algorithm>
#include <cstring>

namespace metal_sgd {

namespace {

/// Bytes that the GPU moves for each element: the sum of several gradients is written and read,
/// once for each dispatch that adds to it. A norm reads the gradient once more.
size_t gpu_traffic(const Span& span) {
  size_t count = span.gradients.size();
  size_t sums = count > 1 ? (count + SGD_ADDENDS - 1) / SGD_ADDENDS : 0;
  size_t norm = span.leaves.empty() ? 0 : sizeof(float);
  return element_traffic(span) + sums * 2 * sizeof(float) + norm;
}

size_t longest_buffer() { return [MetalDevice::instance().device() maxBufferLength] / 256 * 256; }

/// Elements that one dispatch may step; far below the 2^32 that a thread's position can count.
size_t max_elements(const Span& span) {
  size_t most = kMaxTraffic / gpu_traffic(span);
  if (span.gradients.size() > 1) most = std::min(most, longest_buffer() / sizeof(float));
  return most / 256 * 256;
}

constexpr bool is_used(size_t index, bool momentum) { return momentum || index != kVelocity; }
constexpr bool is_written(size_t index) { return index < kRoles; }

}  // namespace

Owned<id<MTLBuffer>> shared_buffer(size_t bytes, const char* what) {
  // Rounded up, so that the vector paths' last 16 bytes lie inside.
  Owned<id<MTLBuffer>> buffer([MetalDevice::instance().device()
      newBufferWithLength:(bytes + 255) / 256 * 256
                  options:MTLResourceStorageModeShared]);
  if (!buffer)
    throw GpuFailure(GpuError::kOutOfMemory, std::string("Metal made no ") + what + " buffer");
  std::string label = std::string("metal-sgd ") + what;
  [buffer.get() setLabel:[NSString stringWithCString:label.c_str() encoding:NSUTF8StringEncoding]];
  return buffer;
}

void Segments::add(const Span& span) {
  for (const Span& part : parts_of(span)) {
    std::vector<Stream> streams = streams_of(part);
    bool in_arenas = std::all_of(streams.begin(), streams.end(),
                                 [](const Stream& stream) { return !stream || stream.arena; });
    in_arenas ? add_wrapped(part) : add_staged(part);
  }
}

/// Cuts at the ends of the arenas' windows too.
void Segments::add_wrapped(const Span& span) {
  std::vector<Stream> streams = streams_of(span);
  std::vector<std::shared_ptr<ArenaBuffers>> wrappers(streams.size());
  for (size_t i = 0; i < streams.size(); i++) {
    if (!streams[i]) continue;
    wrappers[i] = ArenaBuffers::wrap(*streams[i].arena);
    if (arenas_.empty() || arenas_.back() != wrappers[i]) arenas_.push_back(wrappers[i]);
  }
  for (size_t first = 0; first < span.count;) {
    Segment segment{};
    segment.count = std::min(span.count - first, max_elements(span));
    for (size_t i = 0; i < streams.size(); i++) {
      segment.streams.push_back({nil, 0, streams[i].dtype});
      if (!streams[i]) continue;
      ArenaBuffers::Place place = wrappers[i]->place(streams[i].from(first).data);
      segment.streams[i].buffer = place.buffer;
      segment.streams[i].offset = place.offset;
      segment.count = std::min(segment.count, place.room / item_size(streams[i].dtype));
    }
    // Correct windows never come to this; wrong ones would grow the list without end.
    if (segment.count == 0)
      throw GpuFailure(GpuError::kPageFault, "a leaf lies outside its arena's buffers");
    size_t count = segment.count = whole_blocks(span, first, segment.count);
    // The block lies in two windows.
    if (count == 0) {
      const LeafRun& leaf = *leaf_at(span, first);
      count = std::min<size_t>(SGD_NORM_BLOCK, leaf.first + leaf.count - first);
      add_staged(part_of(span, first, count, group_at(span, first)));
    } else {
      add_segment(std::move(segment), span, first);
    }
    first += count;
  }
}

void Segments::add_staged(const Span& span) {
  std::vector<Stream> streams = streams_of(span);
  size_t item = 1;
  for (const Stream& stream : streams) item = std::max(item, stream ? item_size(stream.dtype) : 1);
  size_t limit = std::min(longest_buffer() / item, max_elements(span));
  for (size_t first = 0; first < span.count;) {
    Segment segment{};
    segment.count = whole_blocks(span, first, std::min(limit, span.count - first));
    size_t begin = first;
    first += segment.count;
    Staged staged{segments_.size(), {}, {}};
    for (const Stream& stream : streams) {
      staged.streams.push_back(stream ? stream.from(begin) : stream);
      staged.buffers.push_back(
          stream ? shared_buffer(segment.count * item_size(stream.dtype), "staging")
                 : Owned<id<MTLBuffer>>());
      segment.streams.push_back({staged.buffers.back().get(), 0, stream.dtype});
    }
    staged_.push_back(std::move(staged));
    add_segment(std::move(segment), span, begin);
  }
}

/// Adds a segment that begins at the span's element `first`.
void Segments::add_segment(Segment segment, const Span& span, size_t first) {
  segment.traffic = segment.count * gpu_traffic(span);
  segment.plain = span.is_plain() && span.others.empty();
  segment.vector = true;
  for (const Placed& stream : segment.streams)
    segment.vector = segment.vector && stream.offset % SGD_VECTOR_BYTES == 0;
  segment.first = span.first;
  segment.groups = groups_of(span);
  segment.blocks = blocks_of(span, first, segment.count);
  if (!span.others.empty()) make_table(segment, span, first);
  segments_.push_back(std::move(segment));
}

void Segments::make_table(Segment& segment, const Span& span, size_t first) {
  size_t unit = table_unit(span);
  segment.phase = first % unit;
  size_t begin = first / unit, end = (first + segment.count + unit - 1) / unit;
  others_.push_back(shared_buffer(end - begin, "groups"));
  segment.table.buffer = others_.back().get();
  auto* rows = static_cast<uint8_t*>([segment.table.buffer contents]);
  auto next = span.others.begin();
  uint8_t row = 0;  // the span's own group is the first
  for (size_t i = begin; i < end; i++) {
    for (; next != span.others.end() && next->first <= i * unit; next++) {
      auto found = std::find(segment.groups.begin(), segment.groups.end(), next->group);
      row = static_cast<uint8_t>(found - segment.groups.begin());
    }
    rows[i - begin] = row;
  }
}

size_t Segments::batch_end(size_t first) const {
  size_t traffic = segments_[first].traffic, i = first + 1;
  while (i < segments_.size() && traffic + segments_[i].traffic <= kMaxTraffic)
    traffic += segments_[i++].traffic;
  return i;
}

/// Each segment of a command buffer has a sum of its own, so that they overlap. The next command
/// buffer takes the same buffers again: Metal orders the two.
void Segments::make_sums() {
  struct Room {
    size_t buffer, offset;
  };
  std::vector<size_t> lengths;
  std::vector<Room> rooms(segments_.size());
  for (size_t first = 0; first < segments_.size(); first = batch_end(first)) {
    Room room{0, 0};
    for (size_t i = first; i < batch_end(first); i++) {
      if (segments_[i].gradients() == 1) continue;
      size_t bytes = (segments_[i].count * sizeof(float) + 255) / 256 * 256;
      if (room.offset + bytes > longest_buffer()) room = {room.buffer + 1, 0};
      rooms[i] = room;
      room.offset += bytes;
      lengths.resize(std::max(lengths.size(), room.buffer + 1));
      lengths[room.buffer] = std::max(lengths[room.buffer], room.offset);
    }
  }
  size_t made = others_.size();
  for (size_t length : lengths) others_.push_back(shared_buffer(length, "sum"));
  for (size_t i = 0; i < segments_.size(); i++) {
    if (segments_[i].gradients() == 1) continue;
    segments_[i].sum = {others_[made + rooms[i].buffer].get(), rooms[i].offset, Dtype::kFloat32};
  }
}

size_t Segments::copy_in(const HasMomentum& momentum) {
  size_t copied = 0;
  for (const Staged& staged : staged_) {
    const Segment& segment = segments_[staged.segment];
    for (size_t i = 0; i < staged.streams.size(); i++) {
      const Stream& stream = staged.streams[i];
      if (!stream || !is_used(i, momentum(segment))) continue;
      size_t bytes = segment.count * item_size(stream.dtype);
      std::memcpy([staged.buffers[i].get() contents], stream.data, bytes);
      copied += bytes;
    }
  }
  return copied;
}

size_t Segments::copy_out(const HasMomentum& momentum) {
  size_t copied = 0;
  for (const Staged& staged : staged_) {
    const Segment& segment = segments_[staged.segment];
    for (size_t i = 0; i < staged.streams.size(); i++) {
      const Stream& stream = staged.streams[i];
      if (!stream || !is_used(i, momentum(segment)) || !is_written(i)) continue;
      size_t bytes = segment.count * item_size(stream.dtype);
      std::memcpy(stream.data, [staged.buffers[i].get() contents], bytes);
      copied += bytes;
    }
  }
  return copied;
}

}  // namespace metal_sgd
