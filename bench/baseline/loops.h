// The bare update loops: what a C programmer would write for one run of elements, and nothing else.
#ifndef METAL_SGD_BENCH_LOOPS_H_
#define METAL_SGD_BENCH_LOOPS_H_

#include <stddef.h>

enum { kFloat32, kFloat64, kFloat16, kBfloat16, kDtypes };

// Hyperparameters as given.
typedef struct {
  double learning_rate, momentum, weight_decay, dampening;
  int nesterov;
  int gradients;     // a step takes the mean of so many
  int masters;       // true: 16-bit parameters have float32 masters
  double ema_decay;  // of the parameters' moving averages; 0: none
  double max_norm;   // of all gradients, which are clipped by it; 0: any
  int tests_finite;  // true: a step with gradients that are not finite is left out
} Rule;

// One step over n elements: w parameters, g gradients, v velocities (not touched without momentum).
typedef void (*Loop)(void* w, const void* g, void* v, size_t n, const Rule* rule);

Loop loop_for(int dtype, const Rule* rule);

#endif  // METAL_SGD_BENCH_LOOPS_H_
