// A tree of parameters, gradients and velocities, as the package lays it out: leaves at multiples
// of 256 bytes in one piece of memory for each of the three.
#ifndef METAL_SGD_BENCH_WORK_H_
#define METAL_SGD_BENCH_WORK_H_

#include <stddef.h>
#include <stdint.h>

#include "loops.h"

typedef struct {
  int dtype, leaves;
  Rule rule;
  size_t* counts;   // elements of each leaf
  size_t* offsets;  // bytes from the beginning to each leaf
  size_t total;     // elements of all
  char *parameters, *gradients, *velocities;
} Work;

// Copies `counts`. Fills the arrays with the values of bench/fill.ts. False without memory.
int open_work(Work* work, int dtype, const Rule* rule, const size_t* counts, int leaves);
void close_work(Work* work);

// One thread's share of one step: a fixed part of all elements, whichever leaves they are in.
void step_share(void* work, int thread, int threads);

// Hash of all elements of a tree's arrays, as bench/fill.ts makes it.
uint32_t fingerprint(const Work* work, const char* data);

#endif  // METAL_SGD_BENCH_WORK_H_
