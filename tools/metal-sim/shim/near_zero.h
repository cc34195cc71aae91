// float32 as a GPU may compute it near zero, where the host's processor does otherwise: for kernel
// text that is compiled with METAL_SIM_NEAR_ZERO. Every operation flushes its operands, then its
// result.
#pragma once

namespace metal {

/// `exact`, which lies near zero, as a float32. Not traced: it touches none of the kernel's memory.
__attribute__((noinline, no_sanitize("coverage"))) static float flushed_near_zero(double exact) {
  const metal_sim::NearZero& gpu = metal_sim::near_zero;
  // Rounded as if there were no smallest exponent.
  double judged = gpu.before_rounding ? exact : static_cast<float>(exact * 0x1p64) * 0x1p-64;
  float rounded = static_cast<float>(exact);
  if (!(__builtin_fabs(judged) < 0x1p-126)) return rounded;
  return gpu.positive ? 0.0f : __builtin_copysignf(0.0f, rounded);
}

/// a / b, or a times the rounded reciprocal. Not traced either.
__attribute__((noinline, no_sanitize("coverage"))) static double quotient(double a, double b) {
  return metal_sim::near_zero.reciprocals ? a * static_cast<double>(static_cast<float>(1 / b))
                                          : a / b;
}

/// `exact` as a float32. A double holds a product of two of them, and every sum that is near zero.
static inline float flushed(double exact) {
  bool near_zero = exact != 0 && __builtin_fabs(exact) < 0x1p-126;
  return near_zero ? flushed_near_zero(exact) : static_cast<float>(exact);
}

struct GpuFloat {
  float value;
  GpuFloat() = default;
  GpuFloat(float given) : value(given) {}
  explicit operator half() const { return static_cast<half>(value); }
  double operand() const { return static_cast<double>(flushed(static_cast<double>(value))); }
};

static inline GpuFloat operator/(GpuFloat a, GpuFloat b) {
  return flushed(quotient(a.operand(), b.operand()));
}
/// A double's root is rounded to float32 as the exact one would be.
static inline GpuFloat sqrt(GpuFloat value) { return flushed(__builtin_sqrt(value.operand())); }
/// Changes the sign alone.
static inline GpuFloat operator-(GpuFloat a) { return -a.value; }
static inline bool operator<(GpuFloat a, GpuFloat b) { return a.operand() < b.operand(); }
static inline bool operator>(GpuFloat a, GpuFloat b) { return b < a; }

/// A vector of them. It is copied as one, since a copy of memory is not traced.
template <int count>
struct GpuFloats {
  typedef float Lanes __attribute__((ext_vector_type(count)));
  Lanes lanes;
  GpuFloats() = default;
  explicit GpuFloats(Lanes given) : lanes(given) {}
  GpuFloats(const GpuFloats& other) : lanes(other.lanes) {}
  GpuFloats& operator=(const GpuFloats& other) {
    lanes = other.lanes;
    return *this;
  }
};

#define METAL_SIM_OPERATOR(op)                                                         \
  static inline GpuFloat operator op(GpuFloat a, GpuFloat b) {                         \
    return flushed(a.operand() op b.operand());                                        \
  }                                                                                    \
  template <int count>                                                                 \
  static inline GpuFloats<count> operator op(GpuFloats<count> a, GpuFloats<count> b) { \
    for (int i = 0; i < count; ++i) {                                                  \
      a.lanes[i] = (GpuFloat(a.lanes[i]) op GpuFloat(b.lanes[i])).value;               \
    }                                                                                  \
    return a;                                                                          \
  }                                                                                    \
  template <int count>                                                                 \
  static inline GpuFloats<count> operator op(GpuFloat a, GpuFloats<count> b) {         \
    return Broadcast<GpuFloats<count>>::of(a) op b;                                    \
  }                                                                                    \
  template <int count>                                                                 \
  static inline GpuFloats<count> operator op(GpuFloats<count> a, GpuFloat b) {         \
    return a op Broadcast<GpuFloats<count>>::of(b);                                    \
  }

typedef GpuFloats<2> float2;
typedef GpuFloats<4> float4;

template <int count>
struct IsVector<GpuFloats<count>> {
  static constexpr bool value = true;
};

template <int count>
struct Plain<GpuFloats<count>> {
  typedef typename GpuFloats<count>::Lanes type;
  static type of(GpuFloats<count> given) { return given.lanes; }
};

template <typename Vector, int count>
struct Converted<Vector, GpuFloats<count>> {
  static Vector of(GpuFloats<count> given) { return __builtin_convertvector(given.lanes, Vector); }
};

template <int count, typename From>
struct Converted<GpuFloats<count>, From> {
  static GpuFloats<count> of(From given) {
    typedef typename GpuFloats<count>::Lanes Lanes;
    return GpuFloats<count>(__builtin_convertvector(given, Lanes));
  }
};

template <int count>
struct Broadcast<GpuFloats<count>> {
  static GpuFloats<count> of(GpuFloat given) {
    return GpuFloats<count>((typename GpuFloats<count>::Lanes)(given.value));
  }
};

METAL_SIM_OPERATOR(+)
METAL_SIM_OPERATOR(-)
METAL_SIM_OPERATOR(*)
#undef METAL_SIM_OPERATOR

}  // namespace metal
