// Plain loops that the compiler vectorizes. Compiled with contraction off, as the package is: the
// results are the same to the bit, which is checked before anything is timed.
#include "loops.h"

#include "convert.h"

#define INLINE static inline __attribute__((always_inline))

INLINE float keep_float32(float value) { return value; }
INLINE double keep_float64(double value) { return value; }

// One loop for every choice of flags: constants where it is called, so that they fold away.
// REAL is what hyperparameters are, VALUE what is computed with: the same, or a vector of it.
#define DEFINE_STEP(NAME, ITEM, REAL, VALUE, WIDEN, NARROW)                             \
  INLINE void NAME(void* parameters, const void* gradients, void* velocities, size_t n, \
                   const Rule* rule, int has_momentum, int nesterov, int decays) {      \
    ITEM* restrict w = parameters;                                                      \
    const ITEM* restrict g = gradients;                                                 \
    ITEM* restrict v = velocities;                                                      \
    const REAL lambda = (REAL)rule->learning_rate, mu = (REAL)rule->momentum;           \
    const REAL decay = (REAL)rule->weight_decay;                                        \
    const REAL scale = (REAL)(rule->dampening > 0 ? 1 - rule->dampening : 1);           \
    for (size_t i = 0; i < n; i++) {                                                    \
      VALUE parameter = WIDEN(w[i]), update = WIDEN(g[i]);                              \
      if (decays) update = update + decay * parameter;                                  \
      if (has_momentum) {                                                               \
        VALUE velocity = mu * WIDEN(v[i]) + scale * update;                             \
        v[i] = NARROW(velocity);                                                        \
        if (nesterov) velocity = update + mu * velocity;                                \
        update = velocity;                                                              \
      }                                                                                 \
      w[i] = NARROW(parameter - lambda * update);                                       \
    }                                                                                   \
  }

DEFINE_STEP(float32, float, float, float, keep_float32, keep_float32)
DEFINE_STEP(float64, double, double, double, keep_float64, keep_float64)

// 16-bit items: whole blocks, then the rest one by one.
#define DEFINE_NARROW_STEP(NAME)                                                                  \
  DEFINE_STEP(NAME##_blocks, ItemBlock, float, FloatBlock, widen_##NAME##_block,                  \
              narrow_##NAME##_block)                                                              \
  DEFINE_STEP(NAME##_rest, uint16_t, float, float, widen_##NAME, narrow_##NAME)                   \
  INLINE void NAME(void* w, const void* g, void* v, size_t n, const Rule* rule, int has_momentum, \
                   int nesterov, int decays) {                                                    \
    size_t done = n / kBlock * kBlock;                                                            \
    uint16_t* rest_of_v = has_momentum ? (uint16_t*)v + done : NULL;                              \
    NAME##_blocks(w, g, v, n / kBlock, rule, has_momentum, nesterov, decays);                     \
    NAME##_rest((uint16_t*)w + done, (const uint16_t*)g + done, rest_of_v, n - done, rule,        \
                has_momentum, nesterov, decays);                                                  \
  }

DEFINE_NARROW_STEP(float16)
DEFINE_NARROW_STEP(bfloat16)

#define DEFINE_LOOP(DTYPE, NAME, MOMENTUM, NESTEROV, DECAYS)                                \
  static void DTYPE##_##NAME(void* w, const void* g, void* v, size_t n, const Rule* rule) { \
    DTYPE(w, g, v, n, rule, MOMENTUM, NESTEROV, DECAYS);                                    \
  }

// In the order of `loop_for`.
#define DEFINE_LOOPS(DTYPE)                                                       \
  DEFINE_LOOP(DTYPE, plain, 0, 0, 0)                                              \
  DEFINE_LOOP(DTYPE, plain_decay, 0, 0, 1)                                        \
  DEFINE_LOOP(DTYPE, momentum, 1, 0, 0)                                           \
  DEFINE_LOOP(DTYPE, momentum_decay, 1, 0, 1)                                     \
  DEFINE_LOOP(DTYPE, nesterov, 1, 1, 0)                                           \
  DEFINE_LOOP(DTYPE, nesterov_decay, 1, 1, 1)                                     \
  static const Loop DTYPE##_loops[6] = {DTYPE##_plain,    DTYPE##_plain_decay,    \
                                        DTYPE##_momentum, DTYPE##_momentum_decay, \
                                        DTYPE##_nesterov, DTYPE##_nesterov_decay};

DEFINE_LOOPS(float32)
DEFINE_LOOPS(float64)
DEFINE_LOOPS(float16)
DEFINE_LOOPS(bfloat16)

Loop loop_for(int dtype, const Rule* rule) {
  static const Loop* const tables[kDtypes] = {float32_loops, float64_loops, float16_loops,
                                              bfloat16_loops};
  int kind = rule->momentum > 0 ? (rule->nesterov ? 2 : 1) : 0;
  return tables[dtype][2 * kind + (rule->weight_decay != 0)];
}
