// The general kernels against the CPU, to the bit, over the interface of backends alone.
#include <algorithm>
#include <deque>

#include "self_test.h"
#include "values.h"

namespace metal_sgd {

namespace {

/// A step to compare, and what is done twice: the first one makes what the second one goes on with.
struct Case {
  Hyperparameters given;
  Around around;
  int gradients = 1;
  bool mixed = false;  ///< gradients of several dtypes
  bool master = false;
  bool average = false;
  uint8_t first = 0;  ///< First, or'ed
  bool groups = false;
};

constexpr int kSteps = 2;
constexpr const char* kNames[kRoles] = {"parameter", "velocity", "master", "average"};

struct Values {
  Dtype dtype;
  std::vector<char> bytes;
};

/// The streams of a case, by role and then the gradients; without bytes where it has none.
using Arrays = std::vector<Values>;

/// NaNs that rounding to 16 bits by their numbers alone would make infinite or zero.
constexpr uint32_t kNans[] = {0x7f800001u, 0xffffffffu, 0x7fc00000u};

/// float32 numbers beside 16-bit ones: of their magnitudes, so that none becomes a subnormal.
std::vector<char> numbers(size_t count, Generator& bits) {
  std::vector<char> stream;
  for (size_t i = 0; i < count; i++) {
    if (i % 100 == 99) {
      push(stream, kNans[i / 100 % 3]);
      continue;
    }
    uint32_t sign_and_fraction = bits.next() & 0x807fffffu, exponent = 95 + (bits.next() >> 26);
    push(stream, sign_and_fraction | exponent << 23);
  }
  return stream;
}

/// The dtype of one of several gradients.
Dtype gradient_dtype(Dtype dtype, const Case& given, int index) {
  if (!given.mixed) return dtype;
  if (dtype != Dtype::kFloat32) return index % 2 == 0 ? Dtype::kFloat32 : dtype;
  return index % 3 == 0 ? Dtype::kBfloat16 : index % 3 == 1 ? Dtype::kFloat16 : Dtype::kFloat32;
}

/// Elements of another dtype than the parameter's, or its own ones, begun elsewhere for each pair
/// of indices: a pair has sums of two zeros of one sign.
std::vector<char> gradient(const Streams& own, Dtype dtype, Dtype wanted, int index, size_t count,
                           Generator& bits) {
  if (wanted == dtype) {
    std::vector<char> stream = own.g;
    size_t begin = 977 * static_cast<size_t>(index / 2) % count * item_size(dtype);
    std::rotate(stream.begin(), stream.begin() + static_cast<ptrdiff_t>(begin), stream.end());
    return stream;
  }
  if (wanted == Dtype::kFloat32) return numbers(count, bits);
  std::vector<char> stream;
  for (size_t i = 0; i < count; i++) push(stream, static_cast<uint16_t>(bits.next() >> 16));
  return stream;
}

Arrays arrays_of(Dtype dtype, const Case& given) {
  Streams own = streams_for(dtype);
  size_t count = own.w.size() / item_size(dtype);
  Generator bits;
  Arrays arrays{{dtype, own.w}, {dtype, own.v}, {Dtype::kFloat32, {}}, {Dtype::kFloat32, {}}};
  if (given.master) {
    arrays[kVelocity] = {Dtype::kFloat32, numbers(count, bits)};
    arrays[kMaster].bytes =
        numbers(count, bits);  // not those of the parameters: these were written
  }
  if (given.average) arrays[kAverage].bytes = numbers(count, bits);
  for (int i = 0; i < given.gradients; i++) {
    Dtype wanted = gradient_dtype(dtype, given, i);
    arrays.push_back({wanted, gradient(own, dtype, wanted, i, count, bits)});
  }
  return arrays;
}

/// `stream` says where the bytes of a stream are.
template <typename Place>
Span span_over(const Arrays& arrays, const Case& given, Place stream) {
  Span span;
  for (int role = 0; role < kRoles; role++)
    if (!arrays[role].bytes.empty()) span.streams[role] = stream(role);
  for (size_t i = kRoles; i < arrays.size(); i++) span.gradients.push_back(stream(i));
  span.count = arrays[kParameter].bytes.size() / item_size(span.dtype());
  span.first = given.first;
  if (given.groups) span.others = {{4096, 1}, {8192, 0}, {12288, 1}};
  return span;
}

StepSettings settings_of(const Case& given, Subnormals subnormals) {
  StepSettings settings{given.given, subnormals};
  settings.groups = {{0.25, given.given.momentum / 2, 0.125, 0, false, true}};
  settings.around = given.around;
  return settings;
}

void run_steps(Backend& backend, const Span& span, const StepSettings& settings) {
  auto prepared = backend.prepare({span});
  for (int i = 0; i < kSteps; i++) prepared->run(settings);
}

Arrays stepped_on_cpu(Arrays arrays, const Case& given, Subnormals subnormals) {
  Span span = span_over(arrays, given, [&](size_t i) {
    return Stream{arrays[i].bytes.data(), arrays[i].dtype};
  });
  run_steps(cpu_backend(), span, settings_of(given, subnormals));
  return arrays;
}

/// `skip` elements lie before every stream.
Arrays stepped_on_gpu(Arrays arrays, const Case& given, size_t skip) {
  std::deque<ScratchArena> arenas;
  for (const Values& values : arrays)
    arenas.emplace_back(values.bytes, skip * item_size(values.dtype), 1 + arenas.size());
  Span span = span_over(arrays, given, [&](size_t i) { return arenas[i].stream(arrays[i].dtype); });
  run_steps(*gpu_backend(), span, settings_of(given, Subnormals::kFlush));
  for (size_t i = 0; i < arrays.size(); i++) arenas[i].copy_to(arrays[i].bytes);
  return arrays;
}

Comparison compare(Dtype dtype, const std::vector<Case>& cases) {
  Comparison found;
  for (const Case& given : cases) {
    Arrays arrays = arrays_of(dtype, given);
    Arrays flushed = stepped_on_cpu(arrays, given, Subnormals::kFlush);
    Arrays kept = stepped_on_cpu(arrays, given, Subnormals::kKeep);
    // The elements before every stream choose vectors (0) or elements one by one.
    for (size_t skip : {0, 1}) {
      Arrays on_gpu = stepped_on_gpu(arrays, given, skip);
      for (int role = 0; role < kRoles; role++)
        compare_streams(arrays[role].dtype, kNames[role], flushed[role].bytes, kept[role].bytes,
                        on_gpu[role].bytes, found);
      if (found.match == Match::kDifferent) return found;
    }
  }
  return found;
}

Around around(double divisor, double scale = 1, double clip = 0) {
  return {divisor, scale, clip, 0.9};
}

constexpr Hyperparameters kBare{0.5, 0, 0, 0, false}, kMomentum{0.50000006, 0.9, 1e-4, 0, false},
    kDampened{0.5, 0.9, 0.01, 0.3, false}, kMean{0.5, 0.9, 0, 0, false},
    kNesterov{0.1, 0.95, 1e-4, 0, true, true};

}  // namespace

Comparison test_general(Dtype dtype) {
  bool is_narrow = dtype != Dtype::kFloat32;
  std::vector<Case> cases(8);
  cases[0] = {kBare, around(1), 1, true};
  cases[1] = {kMomentum, around(4), 4, true};
  cases[2] = {kDampened, around(16), 17};
  cases[3] = {kNesterov, around(1, 1.25, 0.75)};
  cases[4] = {kDampened, around(1), 1, true};
  cases[4].first = kFirstVelocity | kFirstAverage;
  cases[4].average = true;
  cases[5] = {kMomentum, around(1)};
  cases[5].average = true;
  cases[5].master = is_narrow;
  cases[6] = {kNesterov, around(1)};
  cases[6].groups = true;
  cases[7] = {kMean, around(2), 2};
  cases[7].first = kFirstVelocity;
  return compare(dtype, cases);
}

/// Of a first step the velocity is the mean itself, unrounded beside a master.
Comparison test_division(Dtype dtype) {
  std::vector<Case> cases{{kMean, around(3), 3},
                          {kMean, around(3), 3, true},
                          {kMean, around(7)},
                          {kMean, around(17), 17},
                          {kMean, around(1000003)}};
  for (Case& given : cases) {
    given.master = dtype != Dtype::kFloat32;
    given.first = kFirstVelocity;
  }
  return compare(dtype, cases);
}

}  // namespace metal_sgd
