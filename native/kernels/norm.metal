// The Metal kernels of the norm, in the shape of norm_shape.h: lanes of blocks, their sums, sums of
// sums, and what follows from the last one. Plain loops, so that every device runs the same text.
#include <metal_stdlib>
using namespace metal;

// Both spellings: without them a * b + c becomes one fused operation, under any math mode.
#pragma METAL fp contract(off)
#pragma clang fp contract(off)

#include "general_params.h"
#include "norm_params.h"
#include "widen.h"

#define SGD_GROUP [[max_total_threads_per_threadgroup(SGD_THREADS_PER_GROUP)]]

// One lane of one block of gradients.
SGD_GROUP kernel void norm_lanes(device const uchar* gradient [[buffer(SGD_NORM_GRADIENT_BUFFER)]],
                                 device const NormBlock* blocks [[buffer(SGD_NORM_BLOCKS_BUFFER)]],
                                 device uint* sums [[buffer(SGD_NORM_SUMS_OUT_BUFFER)]],
                                 device uint* largest [[buffer(SGD_NORM_LARGEST_OUT_BUFFER)]],
                                 constant LanesParams& params [[buffer(SGD_NORM_PARAMS_BUFFER)]],
                                 uint index [[thread_position_in_grid]]) {
  uint lane = index % SGD_NORM_LANES, number = index / SGD_NORM_LANES;
  if (number >= params.blocks) return;
  uint first = blocks[number].first, count = blocks[number].count;
  bool is_wide = params.dtype == kGpuFloat32;
  float sum = 0.0f;
  uint most = 0u;
  for (uint i = lane; i < count; i += SGD_NORM_LANES) {
    uint bits = 0u;
    if (is_wide)
      bits = ((device const uint*)gradient)[first + i];
    else
      bits = ((device const ushort*)gradient)[first + i];
    float g = gradient_rule<float>(params.before, widen(params.dtype, bits));
    float square = g * g;
    sum = sum + square;
    uint magnitude = as_type<uint>(g) & 0x7fffffffu;
    most = most > magnitude ? most : magnitude;
  }
  sums[index] = as_type<uint>(sum);
  largest[index] = most;
}

// One lane of one block of sums.
SGD_GROUP kernel void norm_level(device const uint* sums [[buffer(SGD_NORM_SUMS_BUFFER)]],
                                 device const uint* largest [[buffer(SGD_NORM_LARGEST_BUFFER)]],
                                 device uint* lanes [[buffer(SGD_NORM_SUMS_OUT_BUFFER)]],
                                 device uint* most [[buffer(SGD_NORM_LARGEST_OUT_BUFFER)]],
                                 constant LevelParams& params [[buffer(SGD_NORM_PARAMS_BUFFER)]],
                                 uint index [[thread_position_in_grid]]) {
  uint lane = index % SGD_NORM_LANES, begin = index / SGD_NORM_LANES * SGD_NORM_BLOCK;
  if (begin >= params.count) return;
  uint left = params.count - begin, end = left < SGD_NORM_BLOCK ? left : SGD_NORM_BLOCK;
  float sum = 0.0f;
  uint found = 0u;
  for (uint i = lane; i < end; i += SGD_NORM_LANES) {
    sum = sum + as_type<float>(sums[begin + i]);
    uint magnitude = largest[begin + i];
    found = found > magnitude ? found : magnitude;
  }
  lanes[index] = as_type<uint>(sum);
  most[index] = found;
}

// The sum of the lanes of one block, by halves.
SGD_GROUP kernel void norm_halves(device const uint* lanes [[buffer(SGD_NORM_SUMS_BUFFER)]],
                                  device const uint* most [[buffer(SGD_NORM_LARGEST_BUFFER)]],
                                  device uint* sums [[buffer(SGD_NORM_SUMS_OUT_BUFFER)]],
                                  device uint* largest [[buffer(SGD_NORM_LARGEST_OUT_BUFFER)]],
                                  constant LevelParams& params [[buffer(SGD_NORM_PARAMS_BUFFER)]],
                                  uint index [[thread_position_in_grid]]) {
  if (index >= params.count) return;
  float own[SGD_NORM_LANES];
  uint found = 0u;
  for (uint i = 0; i < SGD_NORM_LANES; i++) {
    own[i] = as_type<float>(lanes[index * SGD_NORM_LANES + i]);
    uint magnitude = most[index * SGD_NORM_LANES + i];
    found = found > magnitude ? found : magnitude;
  }
  sums[index] = as_type<uint>(add_lanes<float>(own));
  largest[index] = found;
}

// One thread: the norm, the coefficient, and whether the step happens.
SGD_GROUP kernel void norm_finish(device const uint* sums [[buffer(SGD_NORM_SUMS_BUFFER)]],
                                  device const uint* largest [[buffer(SGD_NORM_LARGEST_BUFFER)]],
                                  device uint* result [[buffer(SGD_NORM_SUMS_OUT_BUFFER)]],
                                  constant FinishParams& params [[buffer(SGD_NORM_PARAMS_BUFFER)]],
                                  uint index [[thread_position_in_grid]]) {
  if (index > 0u) return;
  float norm = sqrt(as_type<float>(sums[0]));
  uint bits = as_type<uint>(norm), coefficient = as_type<uint>(norm_rule<float>(params.rule, norm));
  result[SGD_RESULT_NORM] = bits;
  result[SGD_RESULT_LARGEST] = largest[0];
  result[SGD_RESULT_COEFFICIENT] = coefficient;
  result[SGD_RESULT_FLAGS] = norm_flags(params, bits, largest[0], coefficient);
}
