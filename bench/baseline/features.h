// Bare loops of steps that do more than the update rule, each in one pass (but for norm.h).
#ifndef METAL_SGD_BENCH_FEATURES_H_
#define METAL_SGD_BENCH_FEATURES_H_

#include <stddef.h>

#include "loops.h"

enum { kMostGradients = 4 };

// One run of elements in each array; NULL where the rule has none.
typedef struct {
  void *parameters, *velocities, *masters, *averages;
  const void* gradients[kMostGradients];
  float coefficient;  // of the gradients, where the rule has a largest norm
} Arrays;

// One step over n elements; the first one makes the averages.
typedef void (*FeatureLoop)(const Arrays* arrays, size_t n, const Rule* rule, int is_first);

// True if the rule's loop does more than the update rule.
int has_features(const Rule* rule);
// False: there is no loop for it.
int is_known(int dtype, const Rule* rule);
// NULL: there is none.
FeatureLoop feature_loop_for(int dtype, const Rule* rule);

#endif  // METAL_SGD_BENCH_FEATURES_H_
