// The one interface that both backends fill: prepare spans once, then step them many times.
// Plain C++; knows neither Node nor Objective-C.
#ifndef METAL_SGD_BACKEND_H_
#define METAL_SGD_BACKEND_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/average_rule.h"
#include "kernels/gradient_rule.h"
#include "kernels/sgd_params.h"

namespace metal_sgd {

// Lists that TypeScript reads by name: one row for each enumerator.
#define METAL_SGD_ENUMERATOR(name, ...) name,
#define METAL_SGD_NAME(name, text, ...) text,
#define METAL_SGD_BYTES(name, text, bytes) bytes,

#define METAL_SGD_DTYPES(row)                                                         \
  row(kFloat32, "float32", 4) row(kFloat64, "float64", 8) row(kFloat16, "float16", 2) \
      row(kBfloat16, "bfloat16", 2)

enum class Dtype : uint8_t { METAL_SGD_DTYPES(METAL_SGD_ENUMERATOR) };
constexpr const char* kDtypeNames[] = {METAL_SGD_DTYPES(METAL_SGD_NAME)};
constexpr int kDtypes = sizeof kDtypeNames / sizeof *kDtypeNames;

/// Bytes of one element.
constexpr size_t item_size(Dtype dtype) {
  constexpr size_t kBytes[] = {METAL_SGD_DTYPES(METAL_SGD_BYTES)};
  return kBytes[static_cast<int>(dtype)];
}

#define METAL_SGD_GPU_ERRORS(row)                                                                \
  row(kAccessRevoked, "access-revoked") row(kCompile, "compile") row(kDeviceLost, "device-lost") \
      row(kInternal, "internal") row(kInvalidResource, "invalid-resource")                       \
          row(kNotPermitted, "not-permitted") row(kOutOfMemory, "out-of-memory")                 \
              row(kPageFault, "page-fault") row(kSelfTest, "self-test")                          \
                  row(kStackOverflow, "stack-overflow") row(kTimeout, "timeout")

enum class GpuError : uint8_t { METAL_SGD_GPU_ERRORS(METAL_SGD_ENUMERATOR) };
constexpr const char* kGpuErrorNames[] = {METAL_SGD_GPU_ERRORS(METAL_SGD_NAME)};

/// A failure of the GPU or its driver.
class GpuFailure : public std::runtime_error {
 public:
  GpuFailure(GpuError error, std::string reason, bool written = false)
      : std::runtime_error(reason + "; " +
                           (written ? "parameters and velocities of this step may be partly written"
                                    : "nothing was written")),
        error(error),
        reason(std::move(reason)),
        written(written) {}
  const char* code() const { return kGpuErrorNames[static_cast<int>(error)]; }
  GpuError error;
  std::string reason;  ///< the message without its consequence
  bool written;        ///< a command buffer of the caller's own step was committed
};

/// Arenas begin on a page of this many bytes, or of the system's if that is larger: the page of
/// every Apple GPU, and a multiple of Intel's.
constexpr size_t kArenaPage = 16384;

/// Whole pages of one arena. The id belongs to that memory alone: an address can come back.
struct Arena {
  uint64_t id;
  char* pages;
  size_t bytes;
};

/// The arrays that one step reads and writes for each element, besides gradients.
#define METAL_SGD_ROLES(row)                                                     \
  row(kParameter, "parameter") row(kVelocity, "velocity") row(kMaster, "master") \
      row(kAverage, "average")
enum Role { METAL_SGD_ROLES(METAL_SGD_ENUMERATOR) kRoles };
constexpr const char* kRoleNames[] = {METAL_SGD_ROLES(METAL_SGD_NAME)};

/// Streams that a step makes instead of going on with them: bits by role.
enum First : uint8_t { kFirstVelocity = 1 << kVelocity, kFirstAverage = 1 << kAverage };

/// The elements of one array.
struct Stream {
  void* data = nullptr;  ///< element-aligned; null: the step has no such stream
  Dtype dtype = Dtype::kFloat32;
  const Arena* arena = nullptr;  ///< null: other memory

  explicit operator bool() const { return data != nullptr; }
  Stream from(size_t element) const {
    return {static_cast<char*>(data) + element * item_size(dtype), dtype, arena};
  }
};

/// Elements of a span from `first` on that belong to one group.
struct GroupRun {
  size_t first;
  uint8_t group;
};

/// The same elements of every stream: one leaf, or several with the padding between them. Streams
/// never overlap, but gradients may. Backends make pieces of their own from it.
struct Span {
  Stream streams[kRoles];         ///< read and written
  std::vector<Stream> gradients;  ///< read; summed in this order
  size_t count = 0;               ///< elements
  uint8_t group = 0;              ///< whose hyperparameters it takes; 0: the optimizer's own
  uint8_t first = 0;              ///< First, or'ed
  std::vector<GroupRun> others;   ///< ascending: where leaves of another group begin

  Dtype dtype() const { return streams[kParameter].dtype; }
  /// True if nothing but the settings can make a step of it other than plain.
  bool is_plain() const {
    return gradients.size() == 1 && gradients[0].dtype == dtype() && !streams[kMaster] &&
           !streams[kAverage] && first == 0 &&
           (!streams[kVelocity] || streams[kVelocity].dtype == dtype());
  }
};

/// Bytes that a step with momentum moves for each element of the span: it reads every stream, and
/// writes those that have a role. A span without velocity counts alike, so that steps are cut alike
/// with and without momentum.
inline size_t element_traffic(const Span& span) {
  size_t bytes = span.streams[kVelocity] ? 0 : 2 * item_size(span.dtype());
  for (const Stream& stream : span.streams) bytes += stream ? 2 * item_size(stream.dtype) : 0;
  for (const Stream& gradient : span.gradients) bytes += item_size(gradient.dtype);
  return bytes;
}

inline size_t traffic(const Span& span) { return span.count * element_traffic(span); }

/// Hyperparameters of one step as the user gave them, in double.
struct Hyperparameters {
  double learning_rate;
  double momentum;
  double weight_decay;
  double dampening;
  bool nesterov;
  bool maximize = false;
};

/// The rounding of every hyperparameter, in one place.
template <typename Real>
SgdParams<Real> sgd_params(const Hyperparameters& given) {
  SgdParams<Real> params{};
  params.learning_rate = static_cast<Real>(given.learning_rate);
  params.momentum = static_cast<Real>(given.momentum);
  params.weight_decay = static_cast<Real>(given.weight_decay);
  params.undampened = static_cast<Real>(given.dampening > 0 ? 1 - given.dampening : 1);
  params.flags = (given.momentum > 0 ? kSgdMomentum : 0u) | (given.nesterov ? kSgdNesterov : 0u) |
                 (given.weight_decay != 0 ? kSgdWeightDecay : 0u) |
                 (given.maximize ? kSgdMaximize : 0u);
  return params;
}

/// What a step does to gradients and averages of every group, in double.
struct Around {
  double divisor = 1;  ///< gradients that the sum stands for
  double scale = 1;
  double clip = 0;  ///< the largest magnitude of a gradient; 0: any
  double decay = 0;
};

/// What happens to the gradients of a group before the rule. Of a plain step: nothing, flags 0.
template <typename Real>
GradientParams<Real> gradient_params(const Around& around, bool maximize) {
  GradientParams<Real> params{};
  params.divisor = static_cast<Real>(around.divisor);
  params.reciprocal = static_cast<Real>(1 / around.divisor);
  params.scale = static_cast<Real>(around.scale);
  params.clip = static_cast<Real>(around.clip);
  auto divisor = static_cast<uint64_t>(around.divisor);
  bool is_power = (divisor & (divisor - 1)) == 0;
  params.flags = (divisor == 1 ? 0u
                  : is_power   ? kGradientMultiply
                               : kGradientDivide) |
                 (around.scale == 1 ? 0u : kGradientScale) |
                 (around.clip == 0 ? 0u : kGradientClip) | (maximize ? kGradientNegate : 0u);
  return params;
}

template <typename Real>
AverageParams<Real> average_params(const Around& around) {
  return {static_cast<Real>(around.decay), static_cast<Real>(1 - around.decay)};
}

/// float32 subnormals: kept as MLX's CPU does, or flushed to zero as Apple GPUs do.
enum class Subnormals : uint8_t { kKeep, kFlush };

/// What can change from one step to the next.
struct StepSettings {
  Hyperparameters hyperparameters;
  Subnormals subnormals;                  ///< on the CPU; a GPU always flushes
  std::vector<Hyperparameters> groups{};  ///< of the parameter groups, from group 1 on
  Around around{};
  /// A long step yields its processors in between: beside threads that never do, some systems keep
  /// an event loop waiting for milliseconds.
  bool yields = false;
  /// Another number for other settings of the same tree; 0: they may be any.
  uint64_t revision = 0;

  const Hyperparameters& of(size_t group) const {
    return group == 0 ? hyperparameters : groups[group - 1];
  }
};

/// What a backend did in one step.
struct Report {
  size_t copied_bytes = 0;  ///< to and from memory that the device can't use in place
  double gpu_seconds = 0;   ///< by the GPU's own clock
};

/// Spans made ready for one device. Does not own their memory.
class Prepared {
 public:
  virtual ~Prepared() = default;
  /// Steps every span in place; returns when all is written. Any thread, one at a time. Throws
  /// GpuFailure, whose message says what may be partly written.
  virtual Report run(const StepSettings& settings) = 0;
};

/// A device.
class Backend {
 public:
  virtual ~Backend() = default;
  /// False if the device lacks a dtype of the span.
  virtual bool takes(const Span& span) const = 0;
  /// Bytes of arenas that steps should use at most.
  virtual uint64_t working_set() const { return std::numeric_limits<uint64_t>::max(); }
  /// Throws GpuFailure.
  virtual std::unique_ptr<Prepared> prepare(const std::vector<Span>& spans) = 0;
};

Backend& cpu_backend();
/// Null where there is no GPU.
Backend* gpu_backend();

}  // namespace metal_sgd

#endif  // METAL_SGD_BACKEND_H_
