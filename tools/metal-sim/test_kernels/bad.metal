// Kernels that break rules on purpose, each in one way.
#include <metal_stdlib>
using namespace metal;

#pragma METAL fp contract(off)
#pragma clang fp contract(off)

struct Range {
  uint count;
  int shift;
};

// Reads and writes `shift` elements beside its own.
kernel void copy_shifted(device float* y [[buffer(0)]], device const float* x [[buffer(1)]],
                         constant Range& range [[buffer(2)]],
                         uint index [[thread_position_in_grid]]) {
  if (index < range.count) {
    y[int(index) + range.shift] = x[index];
  }
}

// Bound one too far.
kernel void tail_off_by_one(device float* y [[buffer(0)]], device const float* x [[buffer(1)]],
                            constant Range& range [[buffer(2)]],
                            uint index [[thread_position_in_grid]]) {
  if (index <= range.count) {
    y[index] = x[index];
  }
}

// Reads past the end.
kernel void read_shifted(device float* y [[buffer(0)]], device const float* x [[buffer(1)]],
                         constant Range& range [[buffer(2)]],
                         uint index [[thread_position_in_grid]]) {
  if (index < range.count) {
    y[index] = x[int(index) + range.shift];
  }
}

// Two threads write one element.
kernel void write_twice(device float* y [[buffer(0)]], constant Range& range [[buffer(2)]],
                        uint index [[thread_position_in_grid]]) {
  if (index < range.count) {
    y[index / 2] = float(index);
  }
}

// One thread reads what another one writes.
kernel void smooth(device float* y [[buffer(0)]], constant Range& range [[buffer(2)]],
                   uint index [[thread_position_in_grid]]) {
  if (index > 0 && index < range.count) {
    y[index] = y[index - 1];
  }
}

// Four elements at once, from any of them on.
kernel void unaligned_vector(device float* y [[buffer(0)]], device const float* x [[buffer(1)]],
                             constant Range& range [[buffer(2)]],
                             uint index [[thread_position_in_grid]]) {
  if (index == 0) {
    *(device float4*)y = *(device const float4*)(x + range.shift);
  }
}
