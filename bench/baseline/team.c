// A fixed split and a barrier that spins: nothing is faster as long as every thread has a
// processor.
#define _GNU_SOURCE
#include "team.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

typedef struct {
  Share share;
  void* context;
  int threads;
  long rounds;
  const int* processors;
  atomic_long begun;     // rounds that may run
  atomic_long finished;  // shares done by the helpers, over all rounds
} Team;

typedef struct {
  Team* team;
  int thread;
} Member;

static void pause_briefly(long spins) {
  // So many spins are tenths of a millisecond: a thread may have lost its processor, give it ours.
  if (spins > 2000) sched_yield();
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void wait_for(atomic_long* counter, long value) {
  for (long spins = 0; atomic_load_explicit(counter, memory_order_acquire) < value; spins++) {
    pause_briefly(spins);
  }
}

static void bind_to(const int* processors, int thread) {
#ifdef __linux__
  if (!processors) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processors[thread], &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
#else
  (void)processors, (void)thread;
#endif
}

static void* help(void* argument) {
  Member* member = argument;
  Team* team = member->team;
  bind_to(team->processors, member->thread);
  atomic_fetch_add(&team->finished, 1);  // present
  for (long round = 1; round <= team->rounds; round++) {
    wait_for(&team->begun, round);
    team->share(team->context, member->thread, team->threads, round - 1);
    atomic_fetch_add_explicit(&team->finished, 1, memory_order_release);
  }
  return NULL;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e9 + time.tv_nsec;
}

double run_team(Share share, void* context, int threads, long rounds, const int* processors) {
  Team team = {share, context, threads, rounds, processors, 0, 0};
  Member members[threads];
  pthread_t ids[threads];
  bind_to(processors, 0);
  for (int t = 1; t < threads; t++) {
    members[t] = (Member){&team, t};
    if (pthread_create(&ids[t], NULL, help, &members[t]) != 0) exit(3);
  }
  long helpers = threads - 1;
  wait_for(&team.finished, helpers);
  double start = now();
  for (long round = 1; round <= rounds; round++) {
    atomic_store_explicit(&team.begun, round, memory_order_release);
    share(context, 0, threads, round - 1);
    wait_for(&team.finished, helpers * (round + 1));
  }
  double end = now();
  for (int t = 1; t < threads; t++) pthread_join(ids[t], NULL);
  return end - start;
}
