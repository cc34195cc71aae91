// Sorted vectors: the kernels of one step touch few ranges, and in order.
#include "ranges.h"

#include <algorithm>

namespace metal_sim {

RangeSet::RangeSet(std::vector<Range> ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const Range& a, const Range& b) { return a.begin < b.begin; });
  for (const Range& range : ranges) {
    if (range.begin >= range.end) continue;
    if (!ranges_.empty() && range.begin <= ranges_.back().end) {
      ranges_.back().end = std::max(ranges_.back().end, range.end);
    } else {
      ranges_.push_back(range);
    }
  }
}

void RangeSet::add(const RangeSet& other) {
  std::vector<Range> all = std::move(ranges_);
  all.insert(all.end(), other.ranges_.begin(), other.ranges_.end());
  *this = RangeSet(std::move(all));
}

bool RangeSet::contains(uintptr_t address) const {
  auto after = std::upper_bound(ranges_.begin(), ranges_.end(), address,
                                [](uintptr_t value, const Range& r) { return value < r.begin; });
  return after != ranges_.begin() && address < (after - 1)->end;
}

bool RangeSet::overlaps(const RangeSet& other, Range* common) const {
  auto mine = ranges_.begin();
  auto theirs = other.ranges_.begin();
  while (mine != ranges_.end() && theirs != other.ranges_.end()) {
    uintptr_t begin = std::max(mine->begin, theirs->begin);
    uintptr_t end = std::min(mine->end, theirs->end);
    if (begin < end) {
      *common = {begin, end};
      return true;
    }
    if (mine->end < theirs->end) {
      ++mine;
    } else {
      ++theirs;
    }
  }
  return false;
}

RangeSet RangeSet::within(Range window) const {
  RangeSet part;
  auto first = std::upper_bound(ranges_.begin(), ranges_.end(), window.begin,
                                [](uintptr_t value, const Range& r) { return value < r.end; });
  for (; first != ranges_.end() && first->begin < window.end; ++first) {
    const Range& range = *first;
    Range cut{std::max(range.begin, window.begin), std::min(range.end, window.end)};
    if (cut.begin < cut.end) part.ranges_.push_back(cut);
  }
  return part;
}

uint64_t RangeSet::bytes() const {
  uint64_t sum = 0;
  for (const Range& range : ranges_) sum += range.end - range.begin;
  return sum;
}

}  // namespace metal_sim
