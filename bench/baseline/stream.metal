// The same five streams as a step with momentum: three arrays are read, two of them written. It
// computes next to nothing.
#include <metal_stdlib>
using namespace metal;

struct Geometry {
  uint vectors;
  uint threads;
};

kernel void stream(device float4* a [[buffer(0)]], device const float4* b [[buffer(1)]],
                   device float4* c [[buffer(2)]], constant Geometry& geometry [[buffer(3)]],
                   uint index [[thread_position_in_grid]]) {
  for (uint i = index; i < geometry.vectors; i += geometry.threads) {
    float4 old = a[i];
    a[i] = b[i] + c[i];
    c[i] = old;
  }
}
