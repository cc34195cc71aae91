// What a step finds out about all gradients before it begins: one pass over them, in blocks.
#ifndef METAL_SGD_BENCH_NORM_H_
#define METAL_SGD_BENCH_NORM_H_

#include <stddef.h>
#include <stdint.h>

#include "loops.h"

// Elements. Each leaf has blocks of its own.
enum { kNormBlock = 4096 };

// True if a step needs such a pass.
int measures(const Rule* rule);

// Measures `n` gradients, which begin with a block: for each block the sum of their squares, if the
// rule has a largest norm, and the bits of the largest magnitude.
void measure_blocks(const float* gradients, size_t n, const Rule* rule, float* sums,
                    int32_t* largest);

// What the gradients are multiplied by, from the sums of all blocks; 1 unless the norm is too
// large.
float clip_coefficient(const float* sums, size_t blocks, const Rule* rule);

// False if one of the magnitudes is not finite.
int are_finite(const int32_t* largest, size_t blocks);

#endif  // METAL_SGD_BENCH_NORM_H_
