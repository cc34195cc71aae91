// The machine's limit: bare loops over the same leaves, as a process that
// bench/contestants/limit.ts asks. A line of standard input is a command, a line of standard output
// its answer:
//   open SLOT DTYPE LAMBDA MU WD TAU NESTEROV GRADIENTS MASTERS DECAY MAX_NORM TESTS_FINITE
//   COUNT...
//     -> ok | no memory | no such loop
//   triad SLOT COUNT -> ok | no memory: STREAM's, of doubles
//   time SLOT THREADS STEPS -> nanoseconds of all steps
//   fingerprint SLOT -> hashes of parameters, velocities, masters and averages
//   right SLOT -> 1 | 0: is the triad's result right?
//   close SLOT -> ok
// The arguments of the program are the processors to which its threads are bound; none: nowhere.
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "team.h"
#include "work.h"

enum { kSlots = 16, kMaxProcessors = 1024 };

static Work works[kSlots];
static int processors[kMaxProcessors], processor_count;

static long next_number(void) {
  const char* word = strtok(NULL, " \n");
  return word ? strtol(word, NULL, 10) : -1;
}

static double next_real(void) {
  const char* word = strtok(NULL, " \n");
  return word ? strtod(word, NULL) : 0;
}

static Work* next_work(void) {
  long slot = next_number();
  if (slot >= 0 && slot < kSlots) return &works[slot];
  fprintf(stderr, "limit: no such slot\n");
  exit(2);
}

static void answer_open(size_t line_length) {
  Work* work = next_work();
  int dtype = (int)next_number();
  Rule rule;
  rule.learning_rate = next_real();
  rule.momentum = next_real();
  rule.weight_decay = next_real();
  rule.dampening = next_real();
  rule.nesterov = (int)next_number();
  rule.gradients = (int)next_number();
  rule.masters = (int)next_number();
  rule.ema_decay = next_real();
  rule.max_norm = next_real();
  rule.tests_finite = (int)next_number();
  size_t* counts = malloc((line_length + 1) * sizeof *counts);
  int leaves = 0;
  for (long count = next_number(); counts && count >= 0; count = next_number()) {
    counts[leaves++] = (size_t)count;
  }
  int known = is_known(dtype, &rule);
  int opened = known && counts && open_work(work, dtype, &rule, counts, leaves);
  if (!opened) close_work(work);
  free(counts);
  puts(opened ? "ok" : known ? "no memory" : "no such loop");
}

static void answer_triad(void) {
  Work* work = next_work();
  int opened = open_triad(work, (size_t)next_number());
  if (!opened) close_work(work);
  puts(opened ? "ok" : "no memory");
}

static void answer_time(void) {
  Work* work = next_work();
  int threads = (int)next_number();
  long steps = next_number();
  const int* bound = threads <= processor_count ? processors : NULL;
  if (threads < 1) threads = 1;
  double time = 0;
  int passes = passes_of(work);
  if (!work->has_stepped && steps > 0) {
    time = run_team(step_share, work, threads, passes, bound);
    work->has_stepped = 1;
    steps--;
  }
  if (steps > 0) time += run_team(step_share, work, threads, passes * steps, bound);
  printf("%.0f\n", time);
}

static void answer_fingerprint(void) {
  Work* work = next_work();
  int wide = wide_dtype(work), masters = work->masters != NULL;
  printf("%u %u %u %u\n", fingerprint(work, work->parameters, work->dtype),
         fingerprint(work, work->velocities, masters ? wide : work->dtype),
         fingerprint(work, work->masters, wide), fingerprint(work, work->averages, wide));
}

static void answer(char* line) {
  size_t length = strlen(line);
  const char* command = strtok(line, " \n");
  if (!command) return;
  if (strcmp(command, "open") == 0) {
    answer_open(length);
  } else if (strcmp(command, "triad") == 0) {
    answer_triad();
  } else if (strcmp(command, "right") == 0) {
    printf("%d\n", triad_is_right(next_work()));
  } else if (strcmp(command, "time") == 0) {
    answer_time();
  } else if (strcmp(command, "fingerprint") == 0) {
    answer_fingerprint();
  } else if (strcmp(command, "close") == 0) {
    close_work(next_work());
    puts("ok");
  } else {
    fprintf(stderr, "limit: unknown command %s\n", command);
    exit(2);
  }
  fflush(stdout);
}

int main(int argc, char** argv) {
  signal(SIGINT, SIG_IGN);  // Ctrl-C is the asking process's: we end with our input
  for (int i = 1; i < argc && processor_count < kMaxProcessors; i++) {
    processors[processor_count++] = atoi(argv[i]);
  }
  char* line = NULL;
  size_t capacity = 0;
  while (getline(&line, &capacity, stdin) > 0) answer(line);
  return 0;
}
