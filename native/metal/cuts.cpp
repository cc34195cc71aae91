#include "cuts.h"

#include <algorithm>

namespace metal_sgd {

size_t table_unit(const Span& span) { return SGD_TABLE_BYTES / item_size(span.dtype()); }

std::vector<Stream> streams_of(const Span& span) {
  std::vector<Stream> streams(span.streams, span.streams + kRoles);
  streams.insert(streams.end(), span.gradients.begin(), span.gradients.end());
  return streams;
}

Span part_of(const Span& span, size_t first, size_t count, uint8_t group) {
  Span part = span;
  part.others.clear();
  for (Stream& stream : part.streams)
    if (stream) stream = stream.from(first);
  for (Stream& gradient : part.gradients) gradient = gradient.from(first);
  part.count = count;
  part.group = group;
  part.leaves.clear();
  for (LeafRun run : span.leaves) {
    size_t begin = std::max(run.first, first), end = std::min(run.first + run.count, first + count);
    if (begin < end) part.leaves.push_back({begin - first, end - begin, run.leaf});
  }
  return part;
}

const LeafRun* leaf_at(const Span& span, size_t at) {
  auto after = std::upper_bound(span.leaves.begin(), span.leaves.end(), at,
                                [](size_t place, const LeafRun& run) { return place < run.first; });
  if (after == span.leaves.begin()) return nullptr;
  const LeafRun& run = *(after - 1);
  return at < run.first + run.count ? &run : nullptr;
}

size_t whole_blocks(const Span& span, size_t first, size_t count) {
  size_t end = first + count;
  const LeafRun* run = end < span.count ? leaf_at(span, end) : nullptr;
  if (run == nullptr) return count;
  size_t begin = end - (end - run->first) % SGD_NORM_BLOCK;
  return begin > first ? begin - first : 0;
}

uint8_t group_at(const Span& span, size_t at) {
  uint8_t group = span.group;
  for (const GroupRun& run : span.others)
    if (run.first <= at) group = run.group;
  return group;
}

std::vector<NormBlock> blocks_of(const Span& span, size_t first, size_t count) {
  std::vector<NormBlock> blocks;
  for (const LeafRun& run : span.leaves) {
    size_t end = std::min(run.first + run.count, first + count);
    // Segments begin at a block.
    for (size_t at = std::max(run.first, first); at < end; at += SGD_NORM_BLOCK)
      blocks.push_back({static_cast<uint32_t>(at - first),
                        static_cast<uint32_t>(std::min<size_t>(SGD_NORM_BLOCK, end - at))});
  }
  return blocks;
}

std::vector<uint8_t> groups_of(const Span& span) {
  std::vector<uint8_t> groups{span.group};
  for (const GroupRun& run : span.others)
    if (std::count(groups.begin(), groups.end(), run.group) == 0) groups.push_back(run.group);
  return groups;
}

std::vector<Span> parts_of(const Span& span) {
  std::vector<Span> parts{part_of(span, 0, span.count, span.group)};
  size_t begin = 0;
  for (const GroupRun& run : span.others) {
    Span& last = parts.back();
    std::vector<uint8_t> groups = groups_of(last);
    bool has_row =
        groups.size() < kMaxRows || std::count(groups.begin(), groups.end(), run.group) > 0;
    if (has_row && (run.first - begin) % table_unit(span) == 0) {
      last.others.push_back({run.first - begin, run.group});
    } else {
      last.count = run.first - begin;
      begin = run.first;
      parts.push_back(part_of(span, begin, span.count - begin, run.group));
    }
  }
  return parts;
}

}  // namespace metal_sgd
