// Norm and finite test of gradients: one pass over leaves, on all threads.
#ifndef METAL_SGD_CPU_NORM_H_
#define METAL_SGD_CPU_NORM_H_

#include <vector>

#include "loops.h"

namespace metal_sgd {

/// The gradients of one leaf.
struct LeafGradients {
  std::vector<Stream> gradients;  ///< summed in this order
  size_t count;                   ///< elements
};

/// The leaves of spans that name them, in order.
std::vector<LeafGradients> leaves_of(const std::vector<Span>& spans);

/// Leaves made ready for measuring.
class NormPass {
 public:
  explicit NormPass(std::vector<LeafGradients> leaves);

  /// The square root of the sum of all squares: in float32, and rounded to it; with float64 leaves,
  /// whose sum is added in double, a double. The same bits for any number of threads and any
  /// instruction set. Of each gradient as it is after kGradientMeasured.
  Measure run(const StepParams& params, Subnormals subnormals);
  bool is_empty() const { return pieces_.empty(); }
  /// True if the norm is a double.
  bool is_wide() const { return wide_sums_.size() > 0; }

 private:
  /// Blocks of one leaf, and where their sums go.
  struct Piece {
    size_t leaf;
    size_t first, count;  ///< elements
    void* sums;
    uint64_t largest;  ///< bits
  };

  static void run_chunks(void* context, uint32_t begin, uint32_t end);
  void measure(Piece& piece) const;
  bool is_wide(size_t leaf) const { return leaves_[leaf].gradients[0].dtype == Dtype::kFloat64; }
  double largest() const;

  std::vector<LeafGradients> leaves_;
  std::vector<Piece> pieces_;
  std::vector<size_t> starts_;  // first piece of each chunk, and the end
  bool is_large_;
  std::vector<float> sums_;
  std::vector<double> wide_sums_;
  // Of the present run.
  const CpuKernels* kernels_ = nullptr;
  const StepParams* params_ = nullptr;
  Subnormals subnormals_ = Subnormals::kKeep;
};

/// The norm of leaves as they stand.
double global_norm(std::vector<LeafGradients> leaves, Subnormals subnormals);

}  // namespace metal_sgd

#endif  // METAL_SGD_CPU_NORM_H_
