// The mean of four gradients, gradients clipped by their norm, float32 masters, and moving
// averages; all with momentum and weight decay.
#include "features.h"

#include "convert.h"
#include "norm.h"

typedef struct {
  float lambda, mu, decay, scale;
} Numbers;

static Numbers numbers_of(const Rule* rule) {
  double scale = rule->dampening > 0 ? 1 - rule->dampening : 1;
  return (Numbers){(float)rule->learning_rate, (float)rule->momentum, (float)rule->weight_decay,
                   (float)scale};
}

static void mean_of_four(const Arrays* arrays, size_t n, const Rule* rule, int is_first) {
  float* restrict w = arrays->parameters, * restrict v = arrays->velocities;
  const float* restrict a = arrays->gradients[0], * restrict b = arrays->gradients[1];
  const float* restrict c = arrays->gradients[2], * restrict d = arrays->gradients[3];
  const Numbers by = numbers_of(rule);
  (void)is_first;
  for (size_t i = 0; i < n; i++) {
    float mean = (a[i] + b[i] + c[i] + d[i]) * 0.25f;
    float update = mean + by.decay * w[i];
    v[i] = by.mu * v[i] + by.scale * update;
    w[i] = w[i] - by.lambda * v[i];
  }
}

static void clipped(const Arrays* arrays, size_t n, const Rule* rule, int is_first) {
  float* restrict w = arrays->parameters, * restrict v = arrays->velocities;
  const float* restrict g = arrays->gradients[0];
  const float c = arrays->coefficient;
  const Numbers by = numbers_of(rule);
  (void)is_first;
  for (size_t i = 0; i < n; i++) {
    float update = c * g[i] + by.decay * w[i];
    v[i] = by.mu * v[i] + by.scale * update;
    w[i] = w[i] - by.lambda * v[i];
  }
}

static void averages(const Arrays* arrays, size_t n, const Rule* rule, int is_first) {
  float* restrict w = arrays->parameters, * restrict v = arrays->velocities;
  float* restrict e = arrays->averages;
  const float* restrict g = arrays->gradients[0];
  const Numbers by = numbers_of(rule);
  // The first step copies to averages that are 0.
  const float keep = is_first ? 0 : (float)rule->ema_decay;
  const float take = is_first ? 1 : (float)(1 - rule->ema_decay);
  for (size_t i = 0; i < n; i++) {
    float update = g[i] + by.decay * w[i];
    v[i] = by.mu * v[i] + by.scale * update;
    w[i] = w[i] - by.lambda * v[i];
    e[i] = keep * e[i] + take * w[i];
  }
}

// A master, or the parameter where somebody has written it since the last step.
static inline FloatBlock present_block(FloatBlock master, ItemBlock parameter) {
  BitsBlock given = (BitsBlock)widen_bfloat16_block(parameter);
  BitsBlock rounded = (BitsBlock)widen_bfloat16_block(narrow_bfloat16_block(master));
  BitsBlock same = (BitsBlock)(given == rounded);
  return (FloatBlock)(((BitsBlock)master & same) | (given & ~same));
}

static inline float present(float master, uint16_t parameter) {
  return narrow_bfloat16(master) == parameter ? master : widen_bfloat16(parameter);
}

#define DEFINE_MASTERS(NAME, ITEM, VALUE, WIDEN, NARROW, PRESENT)                                  \
  static void NAME(ITEM* restrict w, const ITEM* restrict g, VALUE* restrict v, VALUE* restrict m, \
                   size_t n, Numbers by) {                                                         \
    for (size_t i = 0; i < n; i++) {                                                               \
      VALUE master = PRESENT(m[i], w[i]), update = WIDEN(g[i]) + by.decay * master;                \
      v[i] = by.mu * v[i] + by.scale * update;                                                     \
      m[i] = master - by.lambda * v[i];                                                            \
      w[i] = NARROW(m[i]);                                                                         \
    }                                                                                              \
  }

DEFINE_MASTERS(masters_blocks, ItemBlock, FloatBlock, widen_bfloat16_block, narrow_bfloat16_block,
               present_block)
DEFINE_MASTERS(masters_rest, uint16_t, float, widen_bfloat16, narrow_bfloat16, present)

static void masters(const Arrays* arrays, size_t n, const Rule* rule, int is_first) {
  const size_t done = n / kBlock * kBlock;
  const Numbers by = numbers_of(rule);
  uint16_t* w = arrays->parameters;
  const uint16_t* g = arrays->gradients[0];
  float *v = arrays->velocities, *m = arrays->masters;
  (void)is_first;
  masters_blocks((ItemBlock*)w, (const ItemBlock*)g, (FloatBlock*)v, (FloatBlock*)m, n / kBlock,
                 by);
  masters_rest(w + done, g + done, v + done, m + done, n - done, by);
}

int has_features(const Rule* rule) {
  return rule->gradients > 1 || rule->masters || rule->ema_decay > 0 || rule->max_norm > 0;
}

int is_known(int dtype, const Rule* rule) {
  if (dtype < 0 || dtype >= kDtypes) return 0;
  if (measures(rule) && dtype != kFloat32) return 0;
  return !has_features(rule) || feature_loop_for(dtype, rule) != NULL;
}

FeatureLoop feature_loop_for(int dtype, const Rule* rule) {
  int features =
      (rule->gradients > 1) + (rule->masters != 0) + (rule->ema_decay > 0) + (rule->max_norm > 0);
  if (features != 1 || rule->momentum <= 0 || rule->nesterov || rule->weight_decay == 0)
    return NULL;
  if (dtype == kFloat32 && rule->gradients == kMostGradients) return mean_of_four;
  if (dtype == kFloat32 && rule->max_norm > 0) return clipped;
  if (dtype == kFloat32 && rule->ema_decay > 0) return averages;
  if (dtype == kBfloat16 && rule->masters) return masters;
  return NULL;
}
