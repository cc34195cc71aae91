// The spans of a step that a GPU takes: what has to be proved for them, and their memory until the
// GPU is asked to.
#ifndef METAL_SGD_GPU_PART_H_
#define METAL_SGD_GPU_PART_H_

#include <map>

#include "backend.h"

namespace metal_sgd {

/// True if the GPU is refused: it computes something else, or compiles nothing.
bool is_refusal(const GpuFailure& failure);

class GpuPart {
 public:
  /// `measures`: steps may measure their gradients.
  GpuPart(std::vector<Span> spans, bool measures);

  bool empty() const { return dtypes_.empty(); }
  size_t spans() const { return count_; }
  /// Bytes that a step reads and writes.
  size_t traffic() const { return traffic_; }
  /// Whether the arenas, and the sums of several gradients, exceed what the GPU can well keep at
  /// hand: beyond it, command buffers fail after their commit.
  bool exceeds_working_set() const;

  /// Keeps the arenas, which the caller keeps for the time of its call alone, for `prepare`.
  void keep_arenas();
  /// Once prepared, does nothing. Throws GpuFailure.
  void prepare();

  /// Proves plain steps of these dtypes. False if the GPU has other bits for subnormals. Throws
  /// GpuFailure.
  bool prove_plain() const;
  /// The same of what the step needs beyond plain steps.
  bool prove_general(const StepSettings& settings) const;
  /// Needs `prepare`. Throws GpuFailure.
  Report run(const StepSettings& settings);

 private:
  std::vector<Dtype> general_dtypes(const StepSettings& settings) const;

  bool measures_;
  size_t count_;
  size_t traffic_ = 0;
  std::vector<Span> spans_;           // until the GPU has taken them
  std::map<uint64_t, Arena> arenas_;  // of those, by id
  std::vector<Dtype> dtypes_;         // of the spans, each once
  std::vector<Dtype> never_plain_;    // of those spans that no settings make plain, each once
  std::vector<std::pair<Dtype, uint8_t>> plain_;  // dtypes and groups of the others, each once
  std::unique_ptr<Prepared> prepared_;
};

}  // namespace metal_sgd

#endif  // METAL_SGD_GPU_PART_H_
