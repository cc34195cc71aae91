// What crosses to the GPU for a norm, and what comes out of it. Plain C++ that is valid Metal too.
#ifndef METAL_SGD_KERNELS_NORM_PARAMS_H_
#define METAL_SGD_KERNELS_NORM_PARAMS_H_

#include "gradient_rule.h"
#include "norm_rule.h"
#include "norm_shape.h"

// Of all kernels of a norm: sums and largest magnitudes, which they read or write.
#define SGD_NORM_SUMS_BUFFER 0
#define SGD_NORM_LARGEST_BUFFER 1
#define SGD_NORM_SUMS_OUT_BUFFER 2
#define SGD_NORM_LARGEST_OUT_BUFFER 3
#define SGD_NORM_PARAMS_BUFFER 4
// Of `norm_lanes` instead of what it would read.
#define SGD_NORM_GRADIENT_BUFFER 0
#define SGD_NORM_BLOCKS_BUFFER 1

// The result: four words.
#define SGD_RESULT_NORM 0
#define SGD_RESULT_LARGEST 1
#define SGD_RESULT_COEFFICIENT 2
#define SGD_RESULT_FLAGS 3
#define SGD_RESULT_WORDS 4

/// Elements of one leaf in a segment: at most SGD_NORM_BLOCK, from a multiple of it in the leaf on.
struct NormBlock {
  uint32_t first, count;
};

struct LanesParams {
  GradientParams<float> before;  ///< kGradientMeasured at most
  uint32_t dtype;                ///< GpuDtype of the gradient
  uint32_t blocks;
};

/// Of sums of sums.
struct LevelParams {
  uint32_t count;  ///< numbers that are read, or blocks of lanes
};

enum NormFlags : uint32_t { kNormClips = 1u, kNormSkips = 2u };

struct FinishParams {
  NormParams<float> rule;
  uint32_t clips;     ///< 1: there is a largest norm
  uint32_t elements;  ///< 1: a step with an element that is not finite is skipped
  uint32_t norm;      ///< 1: so is one whose norm is not finite
};

/// NormFlags of these bits. A coefficient that is NaN clips.
static inline uint32_t norm_flags(FinishParams params, uint32_t norm, uint32_t largest,
                                  uint32_t coefficient) {
  uint32_t infinite = 0x7f800000u, one = 0x3f800000u;
  bool is_infinite = (params.elements != 0u && largest >= infinite) ||
                     (params.norm != 0u && (norm & 0x7fffffffu) >= infinite);
  if (is_infinite) return kNormSkips;
  bool is_whole = coefficient >= one && coefficient <= infinite;
  return params.clips != 0u && !is_whole ? kNormClips : 0u;
}

static_assert(sizeof(NormBlock) == 8, "the GPU reads NormBlock with this layout");
static_assert(sizeof(LanesParams) == 32, "the GPU reads LanesParams with this layout");
static_assert(sizeof(FinishParams) == 20, "the GPU reads FinishParams with this layout");

#endif  // METAL_SGD_KERNELS_NORM_PARAMS_H_
