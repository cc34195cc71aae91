// LD_PRELOAD, for Linux: threads that start while the environment holds SLOW_THREADS get a quarter
// of their core, as on a slow core: a timer interrupts each of them again and again, and spins for
// three quarters of the time.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum {
  PERIOD = 200000,
  SPIN = 150000
};  // nanoseconds; shorter ones would be the system's own time

struct start {
  void* (*routine)(void*);
  void* argument;
};

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void spin(int signal) {
  (void)signal;
  long long end = now() + SPIN;
  while (now() < end) {
  }
}

static void slow_down(void) {
  struct sigaction action = {.sa_handler = spin, .sa_flags = SA_RESTART};
  sigaction(SIGRTMIN + 5, &action, NULL);
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 5};
  event.sigev_notify_thread_id = gettid();
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN + 5);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  timer_t timer;
  struct itimerspec every = {{0, PERIOD}, {0, PERIOD}};
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 ||
      timer_settime(timer, 0, &every, NULL) != 0)
    abort();
}

static void* run_slowly(void* given) {
  struct start start = *(struct start*)given;
  free(given);
  slow_down();
  return start.routine(start.argument);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*routine)(void*),
                   void* argument) {
  int (*create)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*) =
      dlsym(RTLD_NEXT, "pthread_create");
  struct start* start = getenv("SLOW_THREADS") ? malloc(sizeof *start) : NULL;
  if (!start) return create(thread, attributes, routine, argument);
  *start = (struct start){routine, argument};
  return create(thread, attributes, run_slowly, start);
}
