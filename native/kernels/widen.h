// Elements of any dtype as float32. Metal alone: `half` and `as_type` are its own.
#ifndef METAL_SGD_KERNELS_WIDEN_H_
#define METAL_SGD_KERNELS_WIDEN_H_

// Elements are bits until the rules compute with them.
static inline float widen(uint dtype, uint bits) {
  if (dtype == kGpuFloat16) return float(as_type<half>(ushort(bits)));
  return as_type<float>(dtype == kGpuBfloat16 ? bits << 16u : bits);
}

#endif  // METAL_SGD_KERNELS_WIDEN_H_
