#include "norm.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "arch.h"
#include "cpu.h"
#include "kernels/norm_shape.h"
#include "pool.h"

namespace metal_sgd {

namespace {

/// Blocks that a thread takes at once: few enough that two threads share 100,000 elements evenly,
/// and enough to stream in large trees.
constexpr size_t kMinBlocks = 6, kMaxBlocks = 64;
/// Chunks of a pass between those bounds.
constexpr size_t kChunks = 64;
/// Blocks from which on sleeping threads are worth waking, also if all of them are short.
constexpr size_t kLarge = 128;

/// An even number of chunks, so that two threads do the same work.
size_t chunk_blocks(size_t blocks) {
  size_t most = std::clamp(blocks / kChunks, kMinBlocks, kMaxBlocks);
  size_t pairs = (blocks / most + 1) / 2;
  return pairs == 0 ? blocks : (blocks + 2 * pairs - 1) / (2 * pairs);
}

/// The sum of `count` sums, in the shape of a block of numbers, until one is left. Writes them.
template <typename Real>
Real sum_levels(Real* sums, size_t count) {
  if (count == 0) return 0;
  while (count > 1) {
    size_t blocks = SGD_NORM_BLOCKS(count);
    for (size_t block = 0; block < blocks; block++) {
      Real lanes[SGD_NORM_LANES] = {};
      size_t first = block * SGD_NORM_BLOCK, end = std::min<size_t>(count, first + SGD_NORM_BLOCK);
      for (size_t i = first; i < end; i++) {
        Real& lane = lanes[(i - first) % SGD_NORM_LANES];
        lane = lane + sums[i];
      }
      sums[block] = add_lanes(lanes);
    }
    count = blocks;
  }
  return sums[0];
}

template <typename Real, typename Bits>
double number_of(uint64_t bits) {
  Bits given = static_cast<Bits>(bits);
  Real number;
  std::memcpy(&number, &given, sizeof number);
  return static_cast<double>(number);
}

/// The larger one; NaN if one is.
double larger(double one, double other) { return one > other || std::isnan(one) ? one : other; }

}  // namespace

std::vector<LeafGradients> leaves_of(const std::vector<Span>& spans) {
  std::vector<LeafGradients> leaves;
  for (const Span& span : spans) {
    for (const LeafRun& run : span.leaves) {
      LeafGradients leaf{{}, run.count};
      for (const Stream& gradient : span.gradients)
        leaf.gradients.push_back(gradient.from(run.first));
      leaves.push_back(std::move(leaf));
    }
  }
  return leaves;
}

NormPass::NormPass(std::vector<LeafGradients> leaves) : leaves_(std::move(leaves)) {
  size_t blocks[2] = {};  // of float32, and of float64
  for (size_t leaf = 0; leaf < leaves_.size(); leaf++)
    blocks[is_wide(leaf)] += SGD_NORM_BLOCKS(leaves_[leaf].count);
  is_large_ = blocks[0] + blocks[1] > kLarge;
  sums_.resize(blocks[0]);
  wide_sums_.resize(blocks[1]);
  float* next = sums_.data();
  double* wide_next = wide_sums_.data();
  size_t chunk = chunk_blocks(blocks[0] + blocks[1]);
  size_t room = 0;  // blocks that the open chunk may still take
  for (size_t leaf = 0; leaf < leaves_.size(); leaf++) {
    bool wide = is_wide(leaf);
    for (size_t first = 0; first < leaves_[leaf].count;) {
      if (room == 0) {
        starts_.push_back(pieces_.size());
        room = chunk;
      }
      size_t count = std::min(room * SGD_NORM_BLOCK, leaves_[leaf].count - first);
      pieces_.push_back({leaf, first, count, wide ? static_cast<void*>(wide_next) : next, 0});
      (wide ? void(wide_next += SGD_NORM_BLOCKS(count)) : void(next += SGD_NORM_BLOCKS(count)));
      first += count;
      room -= SGD_NORM_BLOCKS(count);
    }
  }
  starts_.push_back(pieces_.size());
}

Measure NormPass::run(const StepParams& params, Subnormals subnormals) {
  kernels_ = &present_cpu_kernels();
  params_ = &params;
  subnormals_ = subnormals;
  uint32_t chunks = static_cast<uint32_t>(starts_.size() - 1);
  ThreadPool::instance().run(chunks, run_chunks, this, is_large_);
  FloatMode mode;
  mode.set(subnormals);
  float sum = sum_levels(sums_.data(), sums_.size());
  mode.set(Subnormals::kKeep);
  if (!is_wide()) return {std::sqrt(sum), largest()};
  double wide = sum_levels(wide_sums_.data(), wide_sums_.size());
  return {std::sqrt(static_cast<double>(sum) + wide), largest()};
}

double NormPass::largest() const {
  uint64_t bits[2] = {};
  for (const Piece& piece : pieces_) {
    uint64_t& most = bits[is_wide(piece.leaf)];
    most = std::max(most, piece.largest);
  }
  return larger(number_of<float, uint32_t>(bits[0]), number_of<double, uint64_t>(bits[1]));
}

void NormPass::run_chunks(void* context, uint32_t begin, uint32_t end) {
  NormPass& pass = *static_cast<NormPass*>(context);
  FloatMode mode;
  for (size_t i = pass.starts_[begin]; i < pass.starts_[end]; i++) {
    Piece& piece = pass.pieces_[i];
    // float64 is never flushed: no GPU ever computes it.
    mode.set(pass.is_wide(piece.leaf) ? Subnormals::kKeep : pass.subnormals_);
    pass.measure(piece);
  }
}

void NormPass::measure(Piece& piece) const {
  const std::vector<Stream>& gradients = leaves_[piece.leaf].gradients;
  Dtype dtype = gradients[0].dtype;
  Sources sources{{},          dtype,       dtype, gradients.data(), gradients.size(),
                  piece.first, piece.count, 0};
  bool wide = is_wide(piece.leaf);
  piece.largest =
      (wide ? kernels_->squares_f64 : kernels_->squares_f32)(sources, *params_, piece.sums);
}

bool is_finite(const Span& span, const LeafRun& leaf, const StepSettings& settings) {
  Span part;
  for (const Stream& gradient : span.gradients) part.gradients.push_back(gradient.from(leaf.first));
  part.leaves = {{0, leaf.count, 0}};
  StepParams params = step_params(settings, 0);
  return std::isfinite(NormPass(leaves_of({part})).run(params, settings.subnormals).largest);
}

double global_norm(std::vector<LeafGradients> leaves, Subnormals subnormals) {
  return NormPass(std::move(leaves)).run(StepParams{}, subnormals).norm;
}

}  // namespace metal_sgd
