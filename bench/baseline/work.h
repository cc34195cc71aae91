// A tree of parameters, gradients and velocities, as the package lays it out: leaves at multiples
// of 256 bytes in one piece of memory for each of the three. Or three arrays for STREAM's triad.
#ifndef METAL_SGD_BENCH_WORK_H_
#define METAL_SGD_BENCH_WORK_H_

#include <stddef.h>
#include <stdint.h>

#include "features.h"
#include "loops.h"

typedef struct {
  int dtype, leaves;
  Rule rule;
  size_t* counts;   // elements of each leaf
  size_t* offsets;  // bytes from the beginning to each leaf
  size_t total;     // elements of all
  char *parameters, *gradients, *velocities;
  char *others[kMostGradients - 1], *masters, *averages;  // NULL: the rule has none
  // Of measured gradients, by block; NULL: the rule measures none.
  float* sums;
  int32_t* largest;
  size_t blocks;
  int has_stepped;
  int is_triad;  // then these are STREAM's a, b and c, of `total` doubles each
} Work;

// Copies `counts`. Fills the arrays with the values of bench/values.ts. False without memory.
int open_work(Work* work, int dtype, const Rule* rule, const size_t* counts, int leaves);
// a = b + 3 c, over `count` doubles. False without memory.
int open_triad(Work* work, size_t count);
void close_work(Work* work);

// Passes over the gradients that one step takes; threads wait for each other in between.
int passes_of(const Work* work);
// One thread's share of one pass: a fixed part of all elements, whichever leaves they are in.
void step_share(void* work, int thread, int threads, long pass);

// Hash of all elements of a tree's arrays of a dtype, as bench/values.ts makes it; 0 of NULL.
uint32_t fingerprint(const Work* work, const char* data, int dtype);
// The dtype of masters and averages, and of velocities beside masters.
int wide_dtype(const Work* work);

// True if all of a is what the triad makes of b and c.
int triad_is_right(const Work* work);

#endif  // METAL_SGD_BENCH_WORK_H_
