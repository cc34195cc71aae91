#include "spans.h"

#include <algorithm>

namespace metal_sgd {

namespace {

bool is_next(const Place& one, const Place& next) {
  return one.arena >= 0 && one.leaf >= 0 && one.arena == next.arena && one.leaf + 1 == next.leaf;
}

/// True if only padding of arenas lies between the two leaves, in every stream.
bool follows(const PlacedLeaf& one, const PlacedLeaf& next) {
  for (int role = 0; role < kRoles; role++) {
    bool absent = !one.span.streams[role] && !next.span.streams[role];
    if (!absent && !is_next(one.roles[role], next.roles[role])) return false;
  }
  return std::equal(one.gradients.begin(), one.gradients.end(), next.gradients.begin(),
                    next.gradients.end(), is_next);
}

/// Elements from one stream to another of the same memory; -1 unless it is a whole number of them.
ptrdiff_t distance(const Stream& from, const Stream& to) {
  ptrdiff_t bytes = static_cast<const char*>(to.data) - static_cast<const char*>(from.data);
  ptrdiff_t item = static_cast<ptrdiff_t>(item_size(from.dtype));
  return from.dtype == to.dtype && bytes % item == 0 ? bytes / item : -1;
}

/// Grows `span` by `leaf` if it begins the same number of elements further on in every stream.
bool join(Span& span, const Span& leaf) {
  if (span.first != leaf.first) return false;
  ptrdiff_t gap = distance(span.streams[kParameter], leaf.streams[kParameter]);
  if (gap < static_cast<ptrdiff_t>(span.count)) return false;
  for (int role = 0; role < kRoles; role++) {
    const Stream &ours = span.streams[role], &theirs = leaf.streams[role];
    if (static_cast<bool>(ours) != static_cast<bool>(theirs)) return false;
    if (ours && distance(ours, theirs) != gap) return false;
  }
  for (size_t i = 0; i < span.gradients.size(); i++) {
    if (distance(span.gradients[i], leaf.gradients[i]) != gap) return false;
  }
  uint8_t group = span.others.empty() ? span.group : span.others.back().group;
  if (leaf.group != group) span.others.push_back({static_cast<size_t>(gap), leaf.group});
  span.count = static_cast<size_t>(gap) + leaf.count;
  for (LeafRun run : leaf.leaves) {
    run.first = static_cast<size_t>(gap);
    span.leaves.push_back(run);
  }
  return true;
}

}  // namespace

std::vector<Span> join_leaves(std::vector<PlacedLeaf> leaves, bool measures) {
  std::vector<Span> spans;
  // Only padding since the last span. An empty leaf in between does not hide a gap.
  bool linked = true;
  for (size_t i = 0; i < leaves.size(); i++) {
    linked = linked && i > 0 && follows(leaves[i - 1], leaves[i]);
    Span& leaf = leaves[i].span;
    if (leaf.count == 0) continue;
    if (measures) leaf.leaves = {{0, leaf.count, i}};
    if (!linked || spans.empty() || !join(spans.back(), leaf)) spans.push_back(std::move(leaf));
    linked = true;
  }
  return spans;
}

}  // namespace metal_sgd
