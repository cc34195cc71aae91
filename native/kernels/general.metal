// The Metal kernels of steps that are more than plain: gradients of other dtypes, factors, masters,
// averages, groups; and the sum of several gradients. Each thread steps four elements. What a step
// has is asked at run time, alike in all threads: as kernels of their own, there would be hundreds.
#include <metal_stdlib>
using namespace metal;

// Both spellings: without them a * b + c becomes one fused operation, under any math mode.
#pragma METAL fp contract(off)
#pragma clang fp contract(off)

#include "average_rule.h"
#include "general_params.h"
#include "gradient_rule.h"
#include "norm_params.h"
#include "sgd_rule.h"
#include "widen.h"

// A NaN stays a NaN.
static inline uint narrow(uint dtype, float value) {
  uint bits = as_type<uint>(value);
  if (dtype == kGpuFloat16) return as_type<ushort>(half(value));
  if (dtype == kGpuFloat32) return bits;
  uint rounded = (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
  uint quiet = (bits >> 16u) | 0x40u;
  return (bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded;
}

// The elements of one thread: the first of them, how many, and whether they are a vector.
struct Four {
  uint begin;
  uint lanes;
  bool aligned;
};

static inline Four four_at(uint index, uint count, uint flags) {
  uint begin = index * SGD_GENERAL_ELEMENTS;
  uint left = count - begin;
  return {begin, left, left >= 4u && (flags & kGeneralAligned) != 0u};
}

static inline uint4 load(device const uchar* stream, uint dtype, Four four) {
  uint4 bits = uint4(0u);
  if (dtype == kGpuFloat32) {
    device const uint* items = (device const uint*)stream + four.begin;
    if (four.aligned) return *(device const uint4*)items;
    for (uint k = 0; k < 4u; k++)
      if (k < four.lanes) bits[k] = items[k];
  } else {
    device const ushort* items = (device const ushort*)stream + four.begin;
    if (four.aligned) return uint4(*(device const ushort4*)items);
    for (uint k = 0; k < 4u; k++)
      if (k < four.lanes) bits[k] = items[k];
  }
  return bits;
}

static inline void store(device uchar* stream, uint dtype, Four four, uint4 bits) {
  if (dtype == kGpuFloat32) {
    device uint* items = (device uint*)stream + four.begin;
    if (four.aligned) {
      *(device uint4*)items = bits;
      return;
    }
    for (uint k = 0; k < 4u; k++)
      if (k < four.lanes) items[k] = bits[k];
  } else {
    device ushort* items = (device ushort*)stream + four.begin;
    if (four.aligned) {
      *(device ushort4*)items = ushort4(bits);
      return;
    }
    for (uint k = 0; k < 4u; k++)
      if (k < four.lanes) items[k] = ushort(bits[k]);
  }
}

// One element of every stream, as bits.
struct Element {
  uint parameter, gradient, velocity, master, average;
};

static inline Element step_element(GeneralParams params, GradientParams<float> before,
                                   SgdParams<float> rule, Element old) {
  if (rule.flags & kSgdMaximize) before.flags |= kGradientNegate;
  bool has_master = (params.flags & kGeneralMaster) != 0u;
  // A parameter that is not the rounded master was written by somebody: it is taken up.
  bool is_written =
      !has_master || narrow(params.parameter, as_type<float>(old.master)) != old.parameter;
  float w = is_written ? widen(params.parameter, old.parameter) : as_type<float>(old.master);
  float g = gradient_rule<float>(before, widen(params.gradient, old.gradient));
  SgdResult<float> next = sgd_rule<float>(rule, w, g, widen(params.velocity, old.velocity));
  Element stepped = old;
  stepped.parameter = narrow(params.parameter, next.parameter);
  stepped.velocity = narrow(params.velocity, next.velocity);
  stepped.master = as_type<uint>(next.parameter);
  // Without a master the average is of what was stored.
  float kept = has_master ? next.parameter : widen(params.parameter, stepped.parameter);
  bool is_first = (params.flags & kGeneralFirstAverage) != 0u;
  float average =
      is_first ? kept : average_rule<float>(params.after, as_type<float>(old.average), kept);
  stepped.average = as_type<uint>(average);
  return stepped;
}

#define SGD_GROUP [[max_total_threads_per_threadgroup(SGD_THREADS_PER_GROUP)]]

SGD_GROUP kernel void step_general(device uchar* parameter [[buffer(SGD_PARAMETER_BUFFER)]],
                                   device const uchar* gradient [[buffer(SGD_GRADIENT_BUFFER)]],
                                   device uchar* velocity [[buffer(SGD_VELOCITY_BUFFER)]],
                                   constant GeneralParams& params [[buffer(SGD_PARAMS_BUFFER)]],
                                   device uchar* master [[buffer(SGD_MASTER_BUFFER)]],
                                   device uchar* average [[buffer(SGD_AVERAGE_BUFFER)]],
                                   constant SgdParams<float>* rows [[buffer(SGD_ROWS_BUFFER)]],
                                   device const uchar* table [[buffer(SGD_TABLE_BUFFER)]],
                                   device const uchar* result [[buffer(SGD_RESULT_BUFFER)]],
                                   uint index [[thread_position_in_grid]]) {
  uint flags = params.flags;
  if (index * SGD_GENERAL_ELEMENTS >= params.count) return;
  GradientParams<float> before = params.before;
  if (flags & kGeneralMeasured) {
    device const uint* words = (device const uint*)result;
    if (words[SGD_RESULT_FLAGS] & kNormSkips) return;
    if (words[SGD_RESULT_FLAGS] & kNormClips) before.flags |= kGradientNorm;
    before.coefficient = as_type<float>(words[SGD_RESULT_COEFFICIENT]);
  }
  Four four = four_at(index, params.count, flags);
  uint4 w = load(parameter, params.parameter, four), g = load(gradient, params.gradient, four);
  uint4 v = uint4(0u), m = uint4(0u), e = uint4(0u);
  if (flags & kGeneralVelocity) v = load(velocity, params.velocity, four);
  if (flags & kGeneralMaster) m = load(master, kGpuFloat32, four);
  if (flags & kGeneralAverage) e = load(average, kGpuFloat32, four);
  uint item = params.parameter == kGpuFloat32 ? 4u : 2u;
  for (uint k = 0; k < 4u; k++) {
    uint row = 0;
    if ((flags & kGeneralGroups) && k < four.lanes)
      row = table[(params.phase + four.begin + k) * item / SGD_TABLE_BYTES];
    Element next = step_element(params, before, rows[row], {w[k], g[k], v[k], m[k], e[k]});
    w[k] = next.parameter;
    v[k] = next.velocity;
    m[k] = next.master;
    e[k] = next.average;
  }
  store(parameter, params.parameter, four, w);
  if (flags & kGeneralVelocity) store(velocity, params.velocity, four, v);
  if (flags & kGeneralMaster) store(master, kGpuFloat32, four, m);
  if (flags & kGeneralAverage) store(average, kGpuFloat32, four, e);
}

// Adds gradients in order. The first of all is copied.
#define SGD_ADDEND(k) device const uchar* g##k [[buffer(k)]]
#define SGD_ADD(k)                                                 \
  if (k < params.gradients) {                                      \
    uint dtype = params.dtypes >> (2 * k) & 3u;                    \
    uint4 bits = load(g##k, dtype, four);                          \
    for (uint i = 0; i < 4u; i++) {                                \
      float addend = widen(dtype, bits[i]);                        \
      float added = as_type<float>(sum[i]) + addend;               \
      sum[i] = as_type<uint>(k == 0 && !carried ? addend : added); \
    }                                                              \
  }

SGD_GROUP kernel void sum_gradients(SGD_ADDEND(0), SGD_ADDEND(1), SGD_ADDEND(2), SGD_ADDEND(3),
                                    SGD_ADDEND(4), SGD_ADDEND(5), SGD_ADDEND(6), SGD_ADDEND(7),
                                    SGD_ADDEND(8), SGD_ADDEND(9), SGD_ADDEND(10), SGD_ADDEND(11),
                                    SGD_ADDEND(12), SGD_ADDEND(13), SGD_ADDEND(14), SGD_ADDEND(15),
                                    device uchar* total [[buffer(SGD_SUM_BUFFER)]],
                                    constant SumParams& params [[buffer(SGD_SUM_PARAMS_BUFFER)]],
                                    uint index [[thread_position_in_grid]]) {
  if (index * SGD_GENERAL_ELEMENTS >= params.count) return;
  Four four = four_at(index, params.count, params.flags);
  bool carried = (params.flags & kGeneralCarried) != 0u;
  uint4 sum = uint4(0u);
  if (carried) sum = load(total, kGpuFloat32, four);
  SGD_ADD(0)
  SGD_ADD(1)
  SGD_ADD(2)
  SGD_ADD(3)
  SGD_ADD(4)
  SGD_ADD(5)
  SGD_ADD(6)
  SGD_ADD(7)
  SGD_ADD(8)
  SGD_ADD(9)
  SGD_ADD(10)
  SGD_ADD(11)
  SGD_ADD(12)
  SGD_ADD(13)
  SGD_ADD(14)
  SGD_ADD(15)
  store(total, kGpuFloat32, four, sum);
}
