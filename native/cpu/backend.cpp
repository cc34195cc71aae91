// The CPU backend: cuts spans into pieces, and groups these into chunks for the thread pool. Works
// in place on any memory, whatever its alignment. Elements are independent, so neither the cuts nor
// the threads can change a bit.
#include "backend.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <thread>

#include "arch.h"
#include "cpu.h"
#include "loops.h"
#include "norm.h"
#include "pool.h"

namespace metal_sgd {

namespace {

/// Traffic of one chunk. The lower bound lets two threads share 10,000 elements. The upper bound is
/// the smallest chunk that streams as fast as an uncut C loop.
constexpr size_t kMinChunkBytes = 96 * 1024, kMaxChunkBytes = 4 * 1024 * 1024;
/// Chunks of a step between those bounds: plenty for every thread, even if some cores are busy.
constexpr size_t kChunks = 64;
/// Extra traffic of the caller's first chunk, while other threads hear of the step. In long steps
/// it would not show.
constexpr size_t kHeadStartBytes = 12 * 1024, kShortBytes = 1024 * 1024;
/// In smaller steps a sleeping thread takes longer to wake than its share takes.
constexpr size_t kLargeBytes = 4 * 1024 * 1024;
/// Elements; pieces are cut at multiples of every vector width.
constexpr size_t kCut = 64;

/// What is done with spans: a step, or the sum of their gradients into the parameter's stream.
enum class Operation : uint8_t { kStep, kSum };

class CpuStep final : public Prepared {
 public:
  CpuStep(const std::vector<Span>& spans, Operation operation, bool measures)
      : operation_(operation) {
    if (measures) norm_ = std::make_unique<NormPass>(leaves_of(spans));
    for (const Span& span : spans) bytes_ += traffic(span);
    size_t chunk = chunk_bytes();
    size_t room = 0;  // bytes that the open chunk may still take
    for (const Span& span : spans) {
      bool is_plain = operation == Operation::kStep && span.is_plain();
      uint32_t index = is_plain ? Piece::kPlain : static_cast<uint32_t>(spans_.size());
      if (!is_plain) spans_.push_back(span);
      size_t bytes = element_traffic(span), first = 0;
      uint8_t group = span.group;
      auto next = span.others.begin();
      while (first < span.count) {
        if (room == 0) {
          room = chunk + (starts_.empty() ? head_start() : 0);
          starts_.push_back(pieces_.size());
        }
        size_t end = next == span.others.end() ? span.count : next->first;
        size_t count = std::min(room / bytes / kCut * kCut + kCut, end - first);
        pieces_.push_back(piece_of(span, first, count, group, index));
        first += count;
        room -= std::min(room, count * bytes);
        if (first == end && next != span.others.end()) group = next++->group;
      }
    }
    starts_.push_back(pieces_.size());
  }

  Report run(const StepSettings& settings) override {
    const CpuKernels* chosen = &present_cpu_kernels();
    // Written only where something changed: each other core's first look at it takes some 100 ns.
    if (!is_last(settings, chosen)) take(settings, chosen);
    Report report;
    if (norm_ != nullptr && settings.around.measures()) {
      report = measure(settings.around);
      if (report.verdict == Verdict::kSkipped) return report;
    }
    ThreadPool::instance().run(static_cast<uint32_t>(starts_.size() - 1), &CpuStep::run_chunks,
                               this, is_large());
    return report;
  }

 private:
  /// `count` elements of the span from `first` on.
  static Piece piece_of(const Span& span, size_t first, size_t count, uint8_t group,
                        uint32_t index) {
    const Stream& velocity = span.streams[kVelocity];
    return {span.streams[kParameter].from(first).data,
            span.gradients[0].from(first).data,
            velocity ? velocity.from(first).data : nullptr,
            count,
            span.dtype(),
            group,
            index};
  }

  /// The whole span of the piece, and where in it the piece lies.
  Sources sources_of(const Piece& piece) const {
    const Span& span = spans_[piece.span];
    const Stream* streams = span.streams;
    const char* parameter = static_cast<const char*>(streams[kParameter].data);
    size_t bytes = static_cast<size_t>(static_cast<const char*>(piece.parameter) - parameter);
    return {{streams[kParameter].data, streams[kVelocity].data, streams[kMaster].data,
             streams[kAverage].data},
            piece.dtype,
            streams[kVelocity].dtype,
            span.gradients.data(),
            span.gradients.size(),
            bytes / item_size(piece.dtype),
            piece.count,
            span.first};
  }

  void step(const Piece& piece, bool prefetches) const {
    int dtype = static_cast<int>(piece.dtype);
    const StepParams& params = params_[piece.group];
    if (piece.span != Piece::kPlain) {
      kernels_->blocks[dtype](sources_of(piece), params, prefetches);
    } else if (!takes_plainly(piece.dtype, params.f32.before.flags)) {
      Stream gradient{const_cast<void*>(piece.gradient), piece.dtype};
      Sources sources{{piece.parameter, piece.velocity},
                      piece.dtype,
                      piece.dtype,
                      &gradient,
                      1,
                      0,
                      piece.count,
                      0};
      kernels_->blocks[dtype](sources, params, prefetches);
    } else {
      kernels_->step[dtype](piece, params, prefetches);
    }
  }

  /// Of float32 leaves the loops of plain steps clip by the norm too.
  static bool takes_plainly(Dtype dtype, uint32_t flags) {
    return flags == 0 || (flags == kGradientNorm && dtype == Dtype::kFloat32);
  }

  void sum(const Piece& piece, bool prefetches) const {
    bool is_double = piece.dtype == Dtype::kFloat64;
    (is_double ? kernels_->sum_f64 : kernels_->sum_f32)(sources_of(piece), prefetches);
  }

  bool is_last(const StepSettings& settings, const CpuKernels* chosen) const {
    return settings.revision != 0 && settings.revision == revision_ && settings.yields == yields_ &&
           chosen == kernels_;
  }

  void take(const StepSettings& settings, const CpuKernels* chosen) {
    revision_ = settings.revision;
    subnormals_ = settings.subnormals;
    yields_ = settings.yields;
    kernels_ = chosen;
    params_.resize(1 + settings.groups.size());
    for (size_t group = 0; group < params_.size(); group++) {
      params_[group] = step_params(settings, group);
    }
  }

  /// Measures the gradients, and sets the coefficient by which the step clips them.
  Report measure(const Around& around) {
    Measure found = norm_->run(params_[0], subnormals_);
    double coefficient = norm_->is_wide() ? norm_rule(norm_params<double>(around), found.norm)
                                          : coefficient_f32(around, found.norm);
    bool clips = !std::isnan(around.max_norm) && !(coefficient >= 1) && !norm_->is_empty();
    for (StepParams& params : params_) {
      clip(params.f32.before, clips, coefficient);
      clip(params.f64.before, clips, coefficient);
    }
    return {found.verdict(around.non_finite, clips), found};
  }

  double coefficient_f32(const Around& around, double norm) const {
    FloatMode mode;
    mode.set(subnormals_);
    return norm_rule(norm_params<float>(around), static_cast<float>(norm));
  }

  template <typename Real>
  static void clip(GradientParams<Real>& params, bool clips, double coefficient) {
    params.coefficient = static_cast<Real>(coefficient);
    params.flags = (params.flags & ~kGradientNorm) | (clips ? kGradientNorm : 0u);
  }

  bool is_large() const { return bytes_ >= kLargeBytes; }

  size_t head_start() const { return bytes_ < kShortBytes ? kHeadStartBytes : 0; }

  /// An even number of chunks, so that two threads do the same work, but for the head start.
  size_t chunk_bytes() const {
    size_t most = std::clamp(bytes_ / kChunks, kMinChunkBytes, kMaxChunkBytes);
    size_t pairs = (bytes_ / most + 1) / 2;
    return pairs == 0 ? bytes_ : (bytes_ - head_start()) / (2 * pairs);
  }

  static void run_chunks(void* context, uint32_t begin, uint32_t end) {
    const CpuStep& step = *static_cast<const CpuStep*>(context);
    const bool prefetches = step.is_large() && gains_by_prefetch();
    if (step.is_large() && step.yields_) std::this_thread::yield();
    FloatMode mode;
    for (size_t i = step.starts_[begin]; i < step.starts_[end]; i++) {
      const Piece& piece = step.pieces_[i];
      // float64 is never flushed: no GPU ever computes it.
      mode.set(piece.dtype == Dtype::kFloat64 ? Subnormals::kKeep : step.subnormals_);
      if (step.operation_ == Operation::kStep) {
        step.step(piece, prefetches);
      } else {
        step.sum(piece, prefetches);
      }
    }
  }

  Operation operation_;
  std::unique_ptr<NormPass> norm_;  // where steps measure their gradients
  std::vector<Span> spans_;         // those that no step takes plainly
  std::vector<Piece> pieces_;
  std::vector<size_t> starts_;  // first piece of each chunk, and the end
  size_t bytes_ = 0;
  // Of the last step's settings, and what the loops make of them.
  uint64_t revision_ = 0;
  Subnormals subnormals_ = Subnormals::kKeep;
  bool yields_ = false;
  const CpuKernels* kernels_ = nullptr;
  std::vector<StepParams> params_ = std::vector<StepParams>(1);  // by group
};

class CpuBackend final : public Backend {
 public:
  bool takes(const Span&) const override { return true; }
  std::unique_ptr<Prepared> prepare(const std::vector<Span>& spans, bool measures) override {
    return std::make_unique<CpuStep>(spans, Operation::kStep, measures);
  }
};

}  // namespace

std::unique_ptr<Prepared> prepare_sums(const std::vector<Span>& spans) {
  return std::make_unique<CpuStep>(spans, Operation::kSum, false);
}

Backend& cpu_backend() {
  static CpuBackend* backend = new CpuBackend;  // leaked: steps may outlive static destructors
  return *backend;
}

int cpu_threads() { return ThreadPool::instance().threads(); }
void set_cpu_threads(int count) { ThreadPool::instance().set_threads(count); }

}  // namespace metal_sgd
