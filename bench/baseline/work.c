// Memory, values and one step of a work.
#define _POSIX_C_SOURCE 200112L
#include "work.h"

#include <stdlib.h>
#include <string.h>

#include "convert.h"

enum { kLeafAlignment = 256, kArenaAlignment = 16384 };

static size_t item_size(int dtype) { return dtype == kFloat64 ? 8 : dtype == kFloat32 ? 4 : 2; }

static void store(char* data, size_t index, int dtype, double value) {
  float single = (float)value;
  if (dtype == kFloat64) ((double*)data)[index] = value;
  if (dtype == kFloat32) ((float*)data)[index] = single;
  if (dtype == kFloat16) ((uint16_t*)data)[index] = narrow_float16(single);
  if (dtype == kBfloat16) ((uint16_t*)data)[index] = narrow_bfloat16(single);
}

static void fill(Work* work) {
  uint32_t number = 0;  // of an element in the tree
  for (int leaf = 0; leaf < work->leaves; leaf++) {
    char* parameters = work->parameters + work->offsets[leaf];
    char* gradients = work->gradients + work->offsets[leaf];
    for (size_t i = 0; i < work->counts[leaf]; i++, number++) {
      uint32_t hash = number * 2654435761u;
      store(parameters, i, work->dtype, ((double)(hash >> 24) - 128) / 256);
      store(gradients, i, work->dtype, (2.0 * ((hash >> 16) & 127) - 127) / 8192);
    }
  }
}

static char* zeroed(size_t bytes) {
  void* data;
  if (posix_memalign(&data, kArenaAlignment, bytes ? bytes : 1) != 0) return NULL;
  return memset(data, 0, bytes);
}

int open_work(Work* work, int dtype, const Rule* rule, const size_t* counts, int leaves) {
  *work = (Work){.dtype = dtype, .leaves = leaves, .rule = *rule};
  work->counts = malloc(leaves * sizeof *work->counts);
  work->offsets = malloc(leaves * sizeof *work->offsets);
  if (!work->counts || !work->offsets) return 0;
  size_t bytes = 0;
  for (int leaf = 0; leaf < leaves; leaf++) {
    work->counts[leaf] = counts[leaf];
    work->offsets[leaf] = bytes;
    work->total += counts[leaf];
    size_t size = counts[leaf] * item_size(dtype);
    bytes += (size + kLeafAlignment - 1) / kLeafAlignment * kLeafAlignment;
  }
  work->parameters = zeroed(bytes);
  work->gradients = zeroed(bytes);
  work->velocities = rule->momentum > 0 ? zeroed(bytes) : NULL;
  int complete = work->parameters && work->gradients && (work->velocities || rule->momentum <= 0);
  if (complete) fill(work);
  return complete;
}

int open_triad(Work* work, size_t count) {
  *work = (Work){.total = count, .is_triad = 1};
  work->parameters = zeroed(count * sizeof(double));
  work->gradients = zeroed(count * sizeof(double));
  work->velocities = zeroed(count * sizeof(double));
  if (!work->parameters || !work->gradients || !work->velocities) return 0;
  for (size_t i = 0; i < count; i++) {
    ((double*)work->gradients)[i] = (double)(i % 7);
    ((double*)work->velocities)[i] = (double)(i % 5);
  }
  return 1;
}

void close_work(Work* work) {
  free(work->counts);
  free(work->offsets);
  free(work->parameters);
  free(work->gradients);
  free(work->velocities);
  *work = (Work){0};
}

// Elements of a leaf before element `cut` of all; between whole cache lines where it is inside.
static size_t elements_before(size_t cut, size_t first, size_t count) {
  if (cut <= first) return 0;
  return cut - first >= count ? count : (cut - first) / 64 * 64;
}

static const double kTriadScalar = 3;

static void triad_share(const Work* work, int thread, int threads) {
  double* restrict a = (double*)work->parameters;
  const double* restrict b = (const double*)work->gradients;
  const double* restrict c = (const double*)work->velocities;
  size_t end = work->total * (thread + 1) / threads;
  for (size_t i = work->total * thread / threads; i < end; i++) a[i] = b[i] + kTriadScalar * c[i];
}

int triad_is_right(const Work* work) {
  const double* a = (const double*)work->parameters;
  for (size_t i = 0; i < work->total; i++) {
    if (a[i] != (double)(i % 7) + kTriadScalar * (double)(i % 5)) return 0;
  }
  return 1;
}

void step_share(void* context, int thread, int threads) {
  const Work* work = context;
  if (work->is_triad) {
    triad_share(work, thread, threads);
    return;
  }
  Loop loop = loop_for(work->dtype, &work->rule);
  size_t item = item_size(work->dtype), first = 0;
  size_t begin = work->total * thread / threads, end = work->total * (thread + 1) / threads;
  for (int leaf = 0; leaf < work->leaves && first < end; leaf++) {
    size_t from = elements_before(begin, first, work->counts[leaf]);
    size_t to = elements_before(end, first, work->counts[leaf]);
    if (from < to) {
      size_t at = work->offsets[leaf] + from * item;
      char* velocities = work->velocities ? work->velocities + at : NULL;
      loop(work->parameters + at, work->gradients + at, velocities, to - from, &work->rule);
    }
    first += work->counts[leaf];
  }
}

uint32_t fingerprint(const Work* work, const char* data) {
  size_t words = item_size(work->dtype) / 4;
  uint32_t hash = 2166136261u;
  for (int leaf = 0; leaf < work->leaves; leaf++) {
    const char* at = data + work->offsets[leaf];
    size_t count = work->counts[leaf] * (words ? words : 1);
    for (size_t i = 0; i < count; i++) {
      uint32_t word = words ? ((const uint32_t*)at)[i] : ((const uint16_t*)at)[i];
      hash = (hash ^ word) * 16777619u;
    }
  }
  return hash;
}
