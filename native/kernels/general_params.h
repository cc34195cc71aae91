// What crosses to the GPU for steps that are more than plain and for sums of gradients. Plain C++
// that is valid Metal too.
#ifndef METAL_SGD_KERNELS_GENERAL_PARAMS_H_
#define METAL_SGD_KERNELS_GENERAL_PARAMS_H_

#include "average_rule.h"
#include "gradient_rule.h"
#include "sgd_params.h"

// Of `step_general`, beside those of sgd_params.h.
#define SGD_MASTER_BUFFER 4
#define SGD_AVERAGE_BUFFER 5
#define SGD_ROWS_BUFFER 6    // SgdParams of every group of the segment
#define SGD_TABLE_BUFFER 7   // a row's number for each SGD_TABLE_BYTES of the parameter's stream
#define SGD_RESULT_BUFFER 8  // of the norm: see norm_params.h
// Of `sum_gradients`.
#define SGD_ADDENDS 16  // gradients of one dispatch, at the indices from 0 on
#define SGD_SUM_BUFFER 16
#define SGD_SUM_PARAMS_BUFFER 17

#define SGD_GENERAL_ELEMENTS 4  // of each thread
#define SGD_TABLE_BYTES 256     // leaves of an arena begin at multiples of it

/// Dtypes as the kernels know them: numbers of two bits.
enum GpuDtype : uint32_t { kGpuFloat32 = 0u, kGpuFloat16 = 2u, kGpuBfloat16 = 3u };

enum GeneralFlags : uint32_t {
  kGeneralAligned = 1u,   ///< four elements of every stream are one vector
  kGeneralVelocity = 2u,  ///< a group of the segment has momentum
  kGeneralMaster = 4u,
  kGeneralAverage = 8u,
  kGeneralFirstAverage = 16u,
  kGeneralGroups = 32u,     ///< the table says which row an element takes; else it is the first
  kGeneralCarried = 64u,    ///< the sum goes on with what its buffer holds
  kGeneralMeasured = 128u,  ///< the result of the norm says whether and how to step
};

struct GeneralParams {
  GradientParams<float> before;  ///< without the sign, which is the row's
  AverageParams<float> after;
  uint32_t parameter, gradient, velocity;  ///< GpuDtype; masters and averages are float32
  uint32_t flags;                          ///< GeneralFlags, or'ed
  uint32_t count;                          ///< elements
  uint32_t phase;  ///< elements before the first one in its part of the table
};

struct SumParams {
  uint32_t dtypes;     ///< GpuDtype of each gradient, from the lowest two bits on
  uint32_t gradients;  ///< at most SGD_ADDENDS
  uint32_t flags;      ///< GeneralFlags, or'ed
  uint32_t count;      ///< elements
};

static_assert(sizeof(GeneralParams) == 56, "the GPU reads GeneralParams with this layout");
static_assert(sizeof(SumParams) == 16, "the GPU reads SumParams with this layout");

#endif  // METAL_SGD_KERNELS_GENERAL_PARAMS_H_
