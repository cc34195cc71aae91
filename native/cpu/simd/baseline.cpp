// Update loops for any x86-64 (SSE2).
#include <cstring>
#include <limits>
#include <type_traits>

#include "cpu/convert.h"
#include "cpu/loops.h"
#include "kernels/norm_shape.h"
#include "kernels/sgd_rule.h"
#include "prefetch_x86.h"

namespace metal_sgd {
namespace {

template <typename Item, size_t kCount>
void widen(const Item* from, float (&to)[kCount]) {
  for (size_t i = 0; i < kCount; i++) to[i] = to_float(from[i]);
}

template <typename Item, size_t kCount>
void narrow(const float (&from)[kCount], Item* to) {
  for (size_t i = 0; i < kCount; i++) to[i] = from_float<Item>(from[i]);
}

}  // namespace
}  // namespace metal_sgd

#define METAL_SGD_KERNELS kBaselineKernels
#define METAL_SGD_KERNELS_NAME "SSE2"
#include "cpu/loops.inc"
