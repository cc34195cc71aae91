// The Metal backend, as the rest sees it: plain C++. `none.cpp` stands in where there is no
// Metal.
#ifndef METAL_SGD_METAL_METAL_H_
#define METAL_SGD_METAL_METAL_H_

#include <stdexcept>
#include <string>

#include "backend.h"

namespace metal_sgd {

/// A failure of the GPU or its driver.
class MetalFailure : public std::runtime_error {
 public:
  MetalFailure(std::string code, std::string reason,
               const std::string& consequence = "nothing was written")
      : std::runtime_error(reason + "; " + consequence),
        code(std::move(code)),
        reason(std::move(reason)) {}
  std::string code;    ///< a `MetalErrorCode` of lib/errors.ts
  std::string reason;  ///< the message without what it left behind
};

struct GpuDevice {
  std::string name;
  uint64_t registry_id;
  bool unified_memory;
  uint64_t recommended_working_set;  ///< bytes
  uint64_t max_buffer_length;        ///< bytes
};

/// What the system has, the one that steps run on first; empty where there is none.
std::vector<GpuDevice> gpu_devices();
/// Why `gpu_devices()` is empty.
std::string why_no_gpu();

/// Whole pages of one arena. The id belongs to that memory alone: addresses come back.
struct Arena {
  uint64_t id;
  char* pages;
  size_t bytes;
};

/// A run and the arenas that its streams lie in; null where a stream lies in other memory.
struct GpuRun {
  Run run;
  const Arena* parameter;
  const Arena* gradient;
  const Arena* velocity;

  bool in_arenas() const { return parameter && gradient && (velocity || run.velocity == nullptr); }
};

/// A tree made ready for the GPU. float32, float16 and bfloat16 only. Subnormals are always
/// flushed.
class GpuStep {
 public:
  virtual ~GpuStep() = default;
  /// Steps every run; returns when all is written. Any thread, one at a time. Throws MetalFailure,
  /// whose message says what may be partly written.
  virtual void run(const Hyperparameters& given) = 0;
  /// Bytes copied per step, for runs that do not lie in arenas.
  virtual size_t copied_bytes(const Hyperparameters& given) const = 0;
  /// Seconds that the last step took on the GPU itself.
  virtual double gpu_seconds() const = 0;
};

/// Wraps arenas without a copy. Throws MetalFailure.
std::unique_ptr<GpuStep> prepare_gpu_step(const std::vector<GpuRun>& runs);

/// Compiles, and proves the device against the CPU rule for these dtypes (indices of `Dtype`), once
/// per process. Throws MetalFailure: 'compile', 'self-test', ... A refusal stays.
void make_gpu_ready(const std::vector<Dtype>& dtypes);

/// Traffic in bytes from which on a step is faster on the GPU; measured once per process.
/// Needs `make_gpu_ready({kFloat32})`.
double gpu_crossover_bytes();

}  // namespace metal_sgd

#endif  // METAL_SGD_METAL_METAL_H_
