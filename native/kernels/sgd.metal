// The Metal kernels: index, load, rule, store. Each thread steps 16 bytes of each stream; a scalar
// path serves views that are not 16-byte aligned. 16-bit dtypes are words here: bfloat16 is integer
// arithmetic on every device.
#include <metal_stdlib>
using namespace metal;

// Both spellings: without them a * b + c becomes one fused operation, under any math mode.
#pragma METAL fp contract(off)
#pragma clang fp contract(off)

#include "sgd_params.h"
#include "sgd_rule.h"

struct Float16 {
  static float4 widen(ushort4 bits) { return float4(as_type<half4>(bits)); }
  static ushort4 narrow(float4 value) { return as_type<ushort4>(half4(value)); }
};

struct Bfloat16 {
  static float4 widen(ushort4 bits) { return as_type<float4>(uint4(bits) << 16u); }
  static ushort4 narrow(float4 value) {
    uint4 bits = as_type<uint4>(value);
    uint4 rounded = (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
    uint4 quiet = (bits >> 16u) | 0x40u;
    return ushort4(select(rounded, quiet, (bits & 0x7fffffffu) > 0x7f800000u));
  }
};

// One element at a time: elements `begin` to `end`.
static inline void step_float32(device float* w, device const float* g, device float* v,
                                SgdParams<float> params, uint begin, uint end) {
  for (uint i = begin; i < end; i++) {
    SgdResult<float> next = sgd_rule<float>(params, w[i], g[i], v[i]);
    w[i] = next.parameter;
    v[i] = next.velocity;
  }
}

static inline void step_float32(device float* w, device const float* g, SgdParams<float> params,
                                uint begin, uint end) {
  for (uint i = begin; i < end; i++) {
    w[i] = sgd_rule<float>(params, w[i], g[i], 0.0f).parameter;
  }
}

template <typename Format>
static inline void step_words(device ushort* w, device const ushort* g, device ushort* v,
                              SgdParams<float> params, uint begin, uint end) {
  for (uint i = begin; i < end; i++) {
    SgdResult<float4> next =
        sgd_rule<float4>(params, Format::widen(ushort4(w[i])), Format::widen(ushort4(g[i])),
                         Format::widen(ushort4(v[i])));
    w[i] = Format::narrow(next.parameter).x;
    v[i] = Format::narrow(next.velocity).x;
  }
}

template <typename Format>
static inline void step_words(device ushort* w, device const ushort* g, SgdParams<float> params,
                              uint begin, uint end) {
  for (uint i = begin; i < end; i++) {
    SgdResult<float4> next = sgd_rule<float4>(params, Format::widen(ushort4(w[i])),
                                              Format::widen(ushort4(g[i])), float4(0.0f));
    w[i] = Format::narrow(next.parameter).x;
  }
}

// Eight 16-bit elements; the rule takes four at a time.
template <typename Format>
static inline uint4 join_words(float4 low, float4 high) {
  return uint4(as_type<uint2>(Format::narrow(low)), as_type<uint2>(Format::narrow(high)));
}

template <typename Format>
static inline void step_eight(device uint4& w, device const uint4& g, device uint4& v,
                              SgdParams<float> params) {
  uint4 old_w = w, old_g = g, old_v = v;
  SgdResult<float4> low = sgd_rule<float4>(params, Format::widen(as_type<ushort4>(old_w.xy)),
                                           Format::widen(as_type<ushort4>(old_g.xy)),
                                           Format::widen(as_type<ushort4>(old_v.xy)));
  SgdResult<float4> high = sgd_rule<float4>(params, Format::widen(as_type<ushort4>(old_w.zw)),
                                            Format::widen(as_type<ushort4>(old_g.zw)),
                                            Format::widen(as_type<ushort4>(old_v.zw)));
  w = join_words<Format>(low.parameter, high.parameter);
  v = join_words<Format>(low.velocity, high.velocity);
}

template <typename Format>
static inline void step_eight(device uint4& w, device const uint4& g, SgdParams<float> params) {
  uint4 old_w = w, old_g = g;
  float4 none = float4(0.0f);
  SgdResult<float4> low = sgd_rule<float4>(params, Format::widen(as_type<ushort4>(old_w.xy)),
                                           Format::widen(as_type<ushort4>(old_g.xy)), none);
  SgdResult<float4> high = sgd_rule<float4>(params, Format::widen(as_type<ushort4>(old_w.zw)),
                                            Format::widen(as_type<ushort4>(old_g.zw)), none);
  w = join_words<Format>(low.parameter, high.parameter);
}

// The entry points.
#define SGD_GROUP [[max_total_threads_per_threadgroup(SGD_THREADS_PER_GROUP)]]

SGD_GROUP kernel void sgd_float32_vector_momentum(device float4* w [[buffer(SGD_PARAMETER_BUFFER)]],
                                                  device const float4* g
                                                  [[buffer(SGD_GRADIENT_BUFFER)]],
                                                  device float4* v [[buffer(SGD_VELOCITY_BUFFER)]],
                                                  constant SgdParams<float>& params
                                                  [[buffer(SGD_PARAMS_BUFFER)]],
                                                  uint index [[thread_position_in_grid]]) {
  uint begin = index * 4;
  if (begin + 4 <= params.count) {
    SgdResult<float4> next = sgd_rule<float4>(params, w[index], g[index], v[index]);
    w[index] = next.parameter;
    v[index] = next.velocity;
  } else {
    step_float32((device float*)w, (device const float*)g, (device float*)v, params, begin,
                 params.count);
  }
}

SGD_GROUP kernel void sgd_float32_vector_plain(device float4* w [[buffer(SGD_PARAMETER_BUFFER)]],
                                               device const float4* g
                                               [[buffer(SGD_GRADIENT_BUFFER)]],
                                               constant SgdParams<float>& params
                                               [[buffer(SGD_PARAMS_BUFFER)]],
                                               uint index [[thread_position_in_grid]]) {
  uint begin = index * 4;
  if (begin + 4 <= params.count) {
    w[index] = sgd_rule<float4>(params, w[index], g[index], float4(0.0f)).parameter;
  } else {
    step_float32((device float*)w, (device const float*)g, params, begin, params.count);
  }
}

SGD_GROUP kernel void sgd_float32_scalar_momentum(device float* w [[buffer(SGD_PARAMETER_BUFFER)]],
                                                  device const float* g
                                                  [[buffer(SGD_GRADIENT_BUFFER)]],
                                                  device float* v [[buffer(SGD_VELOCITY_BUFFER)]],
                                                  constant SgdParams<float>& params
                                                  [[buffer(SGD_PARAMS_BUFFER)]],
                                                  uint index [[thread_position_in_grid]]) {
  if (index < params.count) step_float32(w, g, v, params, index, index + 1);
}

SGD_GROUP kernel void sgd_float32_scalar_plain(device float* w [[buffer(SGD_PARAMETER_BUFFER)]],
                                               device const float* g
                                               [[buffer(SGD_GRADIENT_BUFFER)]],
                                               constant SgdParams<float>& params
                                               [[buffer(SGD_PARAMS_BUFFER)]],
                                               uint index [[thread_position_in_grid]]) {
  if (index < params.count) step_float32(w, g, params, index, index + 1);
}

#define SGD_WORD_KERNELS(dtype, Format)                                                            \
  SGD_GROUP kernel void sgd_##dtype##_vector_momentum(                                             \
      device uint4* w [[buffer(SGD_PARAMETER_BUFFER)]],                                            \
      device const uint4* g [[buffer(SGD_GRADIENT_BUFFER)]],                                       \
      device uint4* v [[buffer(SGD_VELOCITY_BUFFER)]],                                             \
      constant SgdParams<float>& params [[buffer(SGD_PARAMS_BUFFER)]],                             \
      uint index [[thread_position_in_grid]]) {                                                    \
    uint begin = index * 8;                                                                        \
    if (begin + 8 <= params.count) {                                                               \
      step_eight<Format>(w[index], g[index], v[index], params);                                    \
    } else {                                                                                       \
      step_words<Format>((device ushort*)w, (device const ushort*)g, (device ushort*)v, params,    \
                         begin, params.count);                                                     \
    }                                                                                              \
  }                                                                                                \
  SGD_GROUP kernel void sgd_##dtype##_vector_plain(                                                \
      device uint4* w [[buffer(SGD_PARAMETER_BUFFER)]],                                            \
      device const uint4* g [[buffer(SGD_GRADIENT_BUFFER)]],                                       \
      constant SgdParams<float>& params [[buffer(SGD_PARAMS_BUFFER)]],                             \
      uint index [[thread_position_in_grid]]) {                                                    \
    uint begin = index * 8;                                                                        \
    if (begin + 8 <= params.count) {                                                               \
      step_eight<Format>(w[index], g[index], params);                                              \
    } else {                                                                                       \
      step_words<Format>((device ushort*)w, (device const ushort*)g, params, begin, params.count); \
    }                                                                                              \
  }                                                                                                \
  SGD_GROUP kernel void sgd_##dtype##_scalar_momentum(                                             \
      device ushort* w [[buffer(SGD_PARAMETER_BUFFER)]],                                           \
      device const ushort* g [[buffer(SGD_GRADIENT_BUFFER)]],                                      \
      device ushort* v [[buffer(SGD_VELOCITY_BUFFER)]],                                            \
      constant SgdParams<float>& params [[buffer(SGD_PARAMS_BUFFER)]],                             \
      uint index [[thread_position_in_grid]]) {                                                    \
    if (index < params.count) step_words<Format>(w, g, v, params, index, index + 1);               \
  }                                                                                                \
  SGD_GROUP kernel void sgd_##dtype##_scalar_plain(                                                \
      device ushort* w [[buffer(SGD_PARAMETER_BUFFER)]],                                           \
      device const ushort* g [[buffer(SGD_GRADIENT_BUFFER)]],                                      \
      constant SgdParams<float>& params [[buffer(SGD_PARAMS_BUFFER)]],                             \
      uint index [[thread_position_in_grid]]) {                                                    \
    if (index < params.count) step_words<Format>(w, g, params, index, index + 1);                  \
  }

SGD_WORD_KERNELS(float16, Float16)
SGD_WORD_KERNELS(bfloat16, Bfloat16)
