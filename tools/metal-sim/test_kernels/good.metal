// Kernels that keep every rule, for tests of the simulator itself.
#include <metal_stdlib>
using namespace metal;

#pragma METAL fp contract(off)
#pragma clang fp contract(off)

struct Scale {
  float factor;
  float offset;
  uint count;
};

// y <- factor * x + offset, four at a time; the last thread does what is left.
[[max_total_threads_per_threadgroup(256)]] kernel void scale_vector(
    device float4* y [[buffer(0)]], device const float4* x [[buffer(1)]],
    constant Scale& scale [[buffer(2)]], uint index [[thread_position_in_grid]]) {
  if (index * 4 + 4 <= scale.count) {
    y[index] = scale.factor * x[index] + scale.offset;
    return;
  }
  device float* y_tail = (device float*)(y + index);
  device const float* x_tail = (device const float*)(x + index);
  for (uint i = 0; i < scale.count - index * 4; ++i) {
    y_tail[i] = scale.factor * x_tail[i] + scale.offset;
  }
}

kernel void scale_scalar(device float* y [[buffer(0)]], device const float* x [[buffer(1)]],
                         constant Scale& scale [[buffer(2)]],
                         uint index [[thread_position_in_grid]]) {
  if (index < scale.count) {
    y[index] = scale.factor * x[index] + scale.offset;
  }
}

kernel void scale_half(device half4* y [[buffer(0)]], device const half4* x [[buffer(1)]],
                       constant Scale& scale [[buffer(2)]],
                       uint index [[thread_position_in_grid]]) {
  y[index] = half4(scale.factor * float4(x[index]) + scale.offset);
}
