// From leaves to spans: which leaves one loop, or one dispatch, can step together.
#ifndef METAL_SGD_SPANS_H_
#define METAL_SGD_SPANS_H_

#include "backend.h"

namespace metal_sgd {

/// Where a stream of a leaf lies.
struct Place {
  int32_t arena = -1;  ///< index of the arena; -1: other memory
  int32_t leaf = -1;   ///< which leaf of the arena it is, whole; -1: none
};

/// One leaf of a step, as a span of its own, and the places of its streams.
struct PlacedLeaf {
  Span span;
  Place roles[kRoles];
  std::vector<Place> gradients;
};

/// Joins leaves that lie one after another in all streams alike, with only an arena's padding
/// between them. Leaves out empty ones. `measures`: spans name their leaves.
std::vector<Span> join_leaves(std::vector<PlacedLeaf> leaves, bool measures);

}  // namespace metal_sgd

#endif  // METAL_SGD_SPANS_H_
