// Memory, values and one step of a work.
#define _POSIX_C_SOURCE 200112L
#include "work.h"

#include <stdlib.h>
#include <string.h>

#include "convert.h"
#include "norm.h"

enum { kLeafAlignment = 256, kArenaAlignment = 16384 };

static size_t blocks_of(size_t count) { return (count + kNormBlock - 1) / kNormBlock; }

static size_t item_size(int dtype) { return dtype == kFloat64 ? 8 : dtype == kFloat32 ? 4 : 2; }

int wide_dtype(const Work* work) { return work->dtype == kFloat64 ? kFloat64 : kFloat32; }

// Bytes of a wide array for each byte of the parameters' one.
static size_t wide_ratio(const Work* work) {
  return item_size(wide_dtype(work)) / item_size(work->dtype);
}

static void store(char* data, size_t index, int dtype, double value) {
  float single = (float)value;
  if (dtype == kFloat64) ((double*)data)[index] = value;
  if (dtype == kFloat32) ((float*)data)[index] = single;
  if (dtype == kFloat16) ((uint16_t*)data)[index] = narrow_float16(single);
  if (dtype == kBfloat16) ((uint16_t*)data)[index] = narrow_bfloat16(single);
}

static double parameter_of(uint32_t hash) { return ((double)(hash >> 24) - 128) / 256; }
static double gradient_of(uint32_t hash) { return (2.0 * ((hash >> 16) & 127) - 127) / 8192; }

// By the number of the element in its tree, counted from `number`.
static void fill(const Work* work, char* data, uint32_t number, double (*value)(uint32_t hash)) {
  for (int leaf = 0; leaf < work->leaves; leaf++) {
    for (size_t i = 0; i < work->counts[leaf]; i++, number++) {
      store(data + work->offsets[leaf], i, work->dtype, value(number * 2654435761u));
    }
  }
}

// Masters begin as their parameters.
static void widen_masters(const Work* work) {
  for (int leaf = 0; leaf < work->leaves; leaf++) {
    const uint16_t* items = (const uint16_t*)(work->parameters + work->offsets[leaf]);
    float* masters = (float*)(work->masters + work->offsets[leaf] * wide_ratio(work));
    for (size_t i = 0; i < work->counts[leaf]; i++) masters[i] = widen_bfloat16(items[i]);
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
    work->blocks += blocks_of(counts[leaf]);
    size_t size = counts[leaf] * item_size(dtype);
    bytes += (size + kLeafAlignment - 1) / kLeafAlignment * kLeafAlignment;
  }
  work->parameters = zeroed(bytes);
  work->gradients = zeroed(bytes);
  size_t wide = bytes * wide_ratio(work);
  int complete = work->parameters && work->gradients;
  if (rule->momentum > 0) complete &= !!(work->velocities = zeroed(rule->masters ? wide : bytes));
  if (rule->masters) complete &= !!(work->masters = zeroed(wide));
  if (rule->ema_decay > 0) complete &= !!(work->averages = zeroed(wide));
  for (int k = 1; k < rule->gradients; k++) complete &= !!(work->others[k - 1] = zeroed(bytes));
  if (measures(rule)) {
    complete &= !!(work->sums = malloc(work->blocks * sizeof *work->sums));
    complete &= !!(work->largest = malloc(work->blocks * sizeof *work->largest));
  }
  if (!complete) return 0;
  fill(work, work->parameters, 0, parameter_of);
  fill(work, work->gradients, 0, gradient_of);
  for (int k = 1; k < rule->gradients; k++) fill(work, work->others[k - 1], k, gradient_of);
  if (rule->masters) widen_masters(work);
  return 1;
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
  free(work->masters);
  free(work->averages);
  free(work->sums);
  free(work->largest);
  for (int k = 1; k < kMostGradients; k++) free(work->others[k - 1]);
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

static char* at_byte(char* data, size_t at) { return data ? data + at : NULL; }

// `n` elements from byte `at` of the parameters on.
static void step_run(const Work* work, size_t at, size_t n, float coefficient) {
  const Rule* rule = &work->rule;
  if (!has_features(rule)) {
    loop_for(work->dtype, rule)(work->parameters + at, work->gradients + at,
                                at_byte(work->velocities, at), n, rule);
    return;
  }
  size_t wide = at * wide_ratio(work);
  Arrays arrays = {
      work->parameters + at,        at_byte(work->velocities, rule->masters ? wide : at),
      at_byte(work->masters, wide), at_byte(work->averages, wide),
      {work->gradients + at},       coefficient};
  for (int k = 1; k < rule->gradients; k++) arrays.gradients[k] = work->others[k - 1] + at;
  feature_loop_for(work->dtype, rule)(&arrays, n, rule, !work->has_stepped);
}

static void measure_share(const Work* work, int thread, int threads) {
  size_t begin = work->blocks * thread / threads, end = work->blocks * (thread + 1) / threads;
  size_t first = 0;  // block of the leaf
  for (int leaf = 0; leaf < work->leaves && first < end; leaf++) {
    size_t count = work->counts[leaf], blocks = blocks_of(count);
    size_t from = begin > first ? begin - first : 0,
           to = end - first < blocks ? end - first : blocks;
    if (from < to) {
      const float* gradients = (const float*)(work->gradients + work->offsets[leaf]);
      size_t last = to * kNormBlock < count ? to * kNormBlock : count;
      measure_blocks(gradients + from * kNormBlock, last - from * kNormBlock, &work->rule,
                     work->sums + first + from, work->largest + first + from);
    }
    first += blocks;
  }
}

int passes_of(const Work* work) { return !work->is_triad && measures(&work->rule) ? 2 : 1; }

void step_share(void* context, int thread, int threads, long pass) {
  const Work* work = context;
  if (work->is_triad) {
    triad_share(work, thread, threads);
    return;
  }
  if (measures(&work->rule) && pass % 2 == 0) {
    measure_share(work, thread, threads);
    return;
  }
  const Rule* rule = &work->rule;
  if (rule->tests_finite && !are_finite(work->largest, work->blocks)) return;
  float coefficient = rule->max_norm > 0 ? clip_coefficient(work->sums, work->blocks, rule) : 1;
  size_t item = item_size(work->dtype), first = 0;
  size_t begin = work->total * thread / threads, end = work->total * (thread + 1) / threads;
  for (int leaf = 0; leaf < work->leaves && first < end; leaf++) {
    size_t from = elements_before(begin, first, work->counts[leaf]);
    size_t to = elements_before(end, first, work->counts[leaf]);
    if (from < to) step_run(work, work->offsets[leaf] + from * item, to - from, coefficient);
    first += work->counts[leaf];
  }
}

uint32_t fingerprint(const Work* work, const char* data, int dtype) {
  if (!data) return 0;
  size_t words = item_size(dtype) / 4, ratio = item_size(dtype) / item_size(work->dtype);
  uint32_t hash = 2166136261u;
  for (int leaf = 0; leaf < work->leaves; leaf++) {
    const char* at = data + work->offsets[leaf] * ratio;
    size_t count = work->counts[leaf] * (words ? words : 1);
    for (size_t i = 0; i < count; i++) {
      uint32_t word = words ? ((const uint32_t*)at)[i] : ((const uint16_t*)at)[i];
      hash = (hash ^ word) * 16777619u;
    }
  }
  return hash;
}
