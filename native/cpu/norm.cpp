#include "norm.h"

#include <algorithm>
#include <cmath>

#include "arch.h"
#include "cpu.h"
#include "kernels/norm_shape.h"
#include "loops.h"
#include "pool.h"

namespace metal_sgd {

namespace {

/// Blocks of one array, and where their sums go.
struct NormPiece {
  Stream stream;
  size_t first, count;  ///< elements
  void* sums;
};

/// Blocks that a thread takes at once.
constexpr size_t kBlocks = 16;
/// Pieces from which on sleeping threads are worth waking.
constexpr size_t kLarge = 8;

size_t blocks_of(size_t count) { return (count + SGD_NORM_BLOCK - 1) / SGD_NORM_BLOCK; }

/// The sum of sums, in the shape of a block of numbers, until one is left.
template <typename Real>
Real sum_levels(std::vector<Real> sums) {
  while (sums.size() > 1) {
    std::vector<Real> next;
    for (size_t first = 0; first < sums.size(); first += SGD_NORM_BLOCK) {
      Real lanes[SGD_NORM_LANES] = {};
      size_t end = std::min<size_t>(sums.size(), first + SGD_NORM_BLOCK);
      for (size_t i = first; i < end; i++) {
        Real& lane = lanes[(i - first) % SGD_NORM_LANES];
        lane = lane + sums[i];
      }
      next.push_back(add_lanes(lanes));
    }
    sums = std::move(next);
  }
  return sums.empty() ? Real{0} : sums[0];
}

struct Job {
  std::vector<NormPiece> pieces;
  Subnormals subnormals;
};

void run_pieces(void* context, uint32_t begin, uint32_t end) {
  const Job& job = *static_cast<const Job*>(context);
  FloatMode mode;
  for (uint32_t i = begin; i < end; i++) {
    const NormPiece& piece = job.pieces[i];
    Dtype dtype = piece.stream.dtype;
    mode.set(dtype == Dtype::kFloat64 ? Subnormals::kKeep : job.subnormals);
    Sources sources{{}, dtype, dtype, &piece.stream, 1, piece.first, piece.count, 0};
    present_cpu_kernels().squares[static_cast<int>(dtype)](sources, piece.sums);
  }
}

}  // namespace

double global_norm(const std::vector<Elements>& arrays, Subnormals subnormals) {
  size_t narrow = 0, wide = 0;  // blocks
  for (const Elements& array : arrays)
    (array.stream.dtype == Dtype::kFloat64 ? wide : narrow) += blocks_of(array.count);
  std::vector<float> sums(narrow);
  std::vector<double> wide_sums(wide);
  Job job{{}, subnormals};
  float* next = sums.data();
  double* wide_next = wide_sums.data();
  for (const auto& [stream, count] : arrays) {
    for (size_t first = 0; first < count; first += kBlocks * SGD_NORM_BLOCK) {
      size_t part = std::min(kBlocks * SGD_NORM_BLOCK, count - first);
      bool is_wide = stream.dtype == Dtype::kFloat64;
      job.pieces.push_back({stream, first, part, is_wide ? static_cast<void*>(wide_next) : next});
      (is_wide ? void(wide_next += blocks_of(part)) : void(next += blocks_of(part)));
    }
  }
  ThreadPool::instance().run(static_cast<uint32_t>(job.pieces.size()), run_pieces, &job,
                             job.pieces.size() > kLarge);
  FloatMode mode;
  mode.set(subnormals);
  float sum = sum_levels(std::move(sums));
  mode.set(Subnormals::kKeep);
  if (wide == 0) return std::sqrt(sum);
  return std::sqrt(static_cast<double>(sum) + sum_levels(std::move(wide_sums)));
}

}  // namespace metal_sgd
