// The one interface that both backends fill: prepare spans once, then step them many times.
// Plain C++; knows neither Node nor Objective-C.
#ifndef METAL_SGD_BACKEND_H_
#define METAL_SGD_BACKEND_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "settings.h"

namespace metal_sgd {

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

/// The elements of a leaf in a span. The norm never reads the padding between leaves.
struct LeafRun {
  size_t first, count;
  size_t leaf;  ///< index among all leaves of the step
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
  std::vector<LeafRun> leaves;    ///< ascending; none, unless steps measure the gradients

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
  /// `measures`: steps measure the gradients of the leaves that the spans name. Throws GpuFailure.
  virtual std::unique_ptr<Prepared> prepare(const std::vector<Span>& spans,
                                            bool measures = false) = 0;
};

Backend& cpu_backend();
/// Null where there is no GPU.
Backend* gpu_backend();

}  // namespace metal_sgd

#endif  // METAL_SGD_BACKEND_H_
