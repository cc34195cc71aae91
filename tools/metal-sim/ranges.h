// Sets of byte ranges, as kernels touch them.
#ifndef METAL_SGD_TEST_METAL_SIM_RANGES_H_
#define METAL_SGD_TEST_METAL_SIM_RANGES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace metal_sim {

struct Range {
  uintptr_t begin;
  uintptr_t end;
};

/// Ranges in ascending order, without overlap and without touching ends.
class RangeSet {
 public:
  RangeSet() = default;
  /// From ranges in any order, overlapping or not.
  explicit RangeSet(std::vector<Range> ranges);

  void add(const RangeSet& other);
  bool contains(uintptr_t address) const;
  /// The first range common to both; null where there is none.
  bool overlaps(const RangeSet& other, Range* common) const;
  /// The part that lies in `window`.
  RangeSet within(Range window) const;
  uint64_t bytes() const;
  const std::vector<Range>& ranges() const { return ranges_; }

 private:
  std::vector<Range> ranges_;
};

}  // namespace metal_sim

#endif  // METAL_SGD_TEST_METAL_SIM_RANGES_H_
