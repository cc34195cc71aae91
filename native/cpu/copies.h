// Copies elements from one dtype to another, on all threads.
#ifndef METAL_SGD_CPU_COPIES_H_
#define METAL_SGD_CPU_COPIES_H_

#include <vector>

#include "backend.h"

namespace metal_sgd {

/// A leaf and its source, which share no byte.
struct Copy {
  Stream to, from;
  size_t count;  ///< elements
};

/// Rounds each element once, to nearest even. Elements of the same dtype keep all bits.
void copy_elements(const std::vector<Copy>& copies);

}  // namespace metal_sgd

#endif  // METAL_SGD_CPU_COPIES_H_
