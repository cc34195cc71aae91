// Threads that do the same work again and again, in step: as fast as threads can meet.
#ifndef METAL_SGD_BENCH_TEAM_H_
#define METAL_SGD_BENCH_TEAM_H_

// The share of one thread, of 0 to threads - 1, in a round from 0 on.
typedef void (*Share)(void* context, int thread, int threads, long round);

// Runs all shares `rounds` times; each round begins when the last one has ended. Returns the
// nanoseconds of all rounds, without those of making the threads.
// Thread t is bound to the t-th processor of `processors`, if there is such a list.
double run_team(Share share, void* context, int threads, long rounds, const int* processors);

#endif  // METAL_SGD_BENCH_TEAM_H_
