// The norm of arrays, on all threads.
#ifndef METAL_SGD_CPU_NORM_H_
#define METAL_SGD_CPU_NORM_H_

#include <vector>

#include "backend.h"

namespace metal_sgd {

/// Elements of an array.
struct Elements {
  Stream stream;
  size_t count;
};

/// The square root of the sum of all squares: in float32, and rounded to it, but for float64
/// arrays, whose sum is added in double. The same bits for any number of threads and any
/// instruction set.
double global_norm(const std::vector<Elements>& arrays, Subnormals subnormals);

}  // namespace metal_sgd

#endif  // METAL_SGD_CPU_NORM_H_
