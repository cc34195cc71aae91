// Squares are summed in 32 lanes, which are added by halves; the blocks' sums likewise. Any other
// order is as fast: this is the package's, so that the bits can be compared.
#include "norm.h"

#include <math.h>
#include <string.h>

enum { kLanes = 32 };

int measures(const Rule* rule) { return rule->max_norm > 0 || rule->tests_finite; }

static inline int32_t magnitude(float x) {
  int32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits & INT32_MAX;
}

static inline int32_t larger(int32_t one, int32_t other) { return one > other ? one : other; }

static float add_lanes(float* lanes) {
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int j = 0; j < half; j++) lanes[j] += lanes[j + half];
  }
  return lanes[0];
}

static float squares_of(const float* x, size_t n, int32_t* largest) {
  float lanes[kLanes] = {0};
  int32_t most[kLanes] = {0};
  size_t row = 0;
  for (; row + kLanes <= n; row += kLanes) {
    for (size_t j = 0; j < kLanes; j++) {
      lanes[j] += x[row + j] * x[row + j];
      most[j] = larger(most[j], magnitude(x[row + j]));
    }
  }
  for (size_t j = 0; row + j < n; j++) {
    lanes[j] += x[row + j] * x[row + j];
    most[j] = larger(most[j], magnitude(x[row + j]));
  }
  *largest = 0;
  for (int j = 0; j < kLanes; j++) *largest = larger(*largest, most[j]);
  return add_lanes(lanes);
}

static int32_t largest_of(const float* x, size_t n) {
  int32_t largest = 0;
  for (size_t i = 0; i < n; i++) largest = larger(largest, magnitude(x[i]));
  return largest;
}

void measure_blocks(const float* gradients, size_t n, const Rule* rule, float* sums,
                    int32_t* largest) {
  for (size_t first = 0; first < n; first += kNormBlock, sums++, largest++) {
    size_t count = n - first < kNormBlock ? n - first : kNormBlock;
    if (rule->max_norm > 0) {
      *sums = squares_of(gradients + first, count, largest);
    } else {
      *largest = largest_of(gradients + first, count);
    }
  }
}

static float sum_of(const float* x, size_t n) {
  if (n > kNormBlock) {
    size_t blocks = (n + kNormBlock - 1) / kNormBlock;
    float sums[blocks];
    for (size_t block = 0; block < blocks; block++) {
      size_t first = block * kNormBlock;
      sums[block] = sum_of(x + first, n - first < kNormBlock ? n - first : kNormBlock);
    }
    return sum_of(sums, blocks);
  }
  float lanes[kLanes] = {0};
  for (size_t i = 0; i < n; i++) lanes[i % kLanes] += x[i];
  return add_lanes(lanes);
}

float clip_coefficient(const float* sums, size_t blocks, const Rule* rule) {
  float coefficient = (float)rule->max_norm / (sqrtf(sum_of(sums, blocks)) + 1e-6f);
  return coefficient >= 1 ? 1 : coefficient;
}

int are_finite(const int32_t* largest, size_t blocks) {
  for (size_t block = 0; block < blocks; block++) {
    if (largest[block] >= 0x7f800000) return 0;
  }
  return 1;
}
