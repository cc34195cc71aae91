// The CPU backend: a prepared tree is a list of pieces, grouped into chunks for the thread pool.
// Elements are independent, so neither the split nor the threads can change a bit.
#include "cpu.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <thread>

#include "arch.h"
#include "loops.h"
#include "pool.h"

namespace metal_sgd {

namespace {

std::atomic<const CpuKernels*> chosen_kernels{nullptr};

const CpuKernels& kernels() {
  const CpuKernels* chosen = chosen_kernels.load(std::memory_order_relaxed);
  return chosen ? *chosen : *cpu_kernels().front();
}

/// Memory traffic of one element with momentum: read w, g, v; write w, v.
constexpr size_t kStreams = 5;
/// Traffic of one chunk. Small enough that the last one to finish keeps nobody waiting for long,
/// and that two threads share 10,000 elements; large works stream as well in chunks of 4 MiB as a C
/// loop does that is not cut.
constexpr size_t kMinChunkBytes = 96 * 1024, kMaxChunkBytes = 4 * 1024 * 1024;
/// Chunks of one step between those two: plenty for every thread, also where some cores are busy.
constexpr size_t kChunks = 64;
/// What the caller, who has the first chunk, does while others hear of the step; and the traffic of
/// steps that are not too long for that to show.
constexpr size_t kHeadStartBytes = 12 * 1024, kShortBytes = 1024 * 1024;
/// Below this, waking a sleeping thread for a single step takes longer than doing its share.
constexpr size_t kLargeBytes = 4 * 1024 * 1024;

class CpuStep final : public PreparedStep {
 public:
  explicit CpuStep(const std::vector<Run>& runs) {
    for (const Run& run : runs) bytes_ += run.count * item_size(run.dtype) * kStreams;
    size_t chunk = chunk_bytes();
    size_t room = 0;  // bytes that the open chunk may still take
    for (const Run& run : runs) {
      size_t bytes = item_size(run.dtype) * kStreams, offset = 0;  // of an element
      while (offset < run.count) {
        if (room == 0) {
          room = chunk + (starts_.empty() ? head_start() : 0);
          starts_.push_back(pieces_.size());
        }
        size_t count = std::min(room / bytes / kCut * kCut + kCut, run.count - offset);
        pieces_.push_back(slice(run, offset * item_size(run.dtype), count));
        offset += count;
        room -= std::min(room, count * bytes);
      }
    }
    starts_.push_back(pieces_.size());
  }

  void run(const StepSettings& settings) override {
    const CpuKernels* chosen = &kernels();
    // Written only where something changed: each other core's first look at it takes some 100 ns.
    if (!is_last(settings, chosen)) {
      last_ = settings;
      kernels_ = chosen;
      const Hyperparameters& given = settings.hyperparameters;
      params_ = {sgd_params<float>(given), sgd_params<double>(given)};
    }
    ThreadPool::instance().run(static_cast<uint32_t>(starts_.size() - 1), &CpuStep::run_chunks,
                               this, is_large());
  }

 private:
  /// Compares bits, since a learning rate of -0 gives other results than one of 0.
  bool is_last(const StepSettings& settings, const CpuKernels* chosen) const {
    const Hyperparameters &given = settings.hyperparameters, &last = last_.hyperparameters;
    constexpr size_t kNumbers = offsetof(Hyperparameters, nesterov);
    return std::memcmp(&given, &last, kNumbers) == 0 && given.nesterov == last.nesterov &&
           settings.subnormals == last_.subnormals && settings.gives_way == last_.gives_way &&
           chosen == kernels_;
  }

  static constexpr size_t kCut = 64;  // elements; pieces are cut at multiples of every vector width

  static Run slice(const Run& run, size_t bytes, size_t count) {
    void* velocity = run.velocity ? static_cast<char*>(run.velocity) + bytes : nullptr;
    return {static_cast<char*>(run.parameter) + bytes,
            static_cast<const char*>(run.gradient) + bytes, velocity, count, run.dtype};
  }

  bool is_large() const { return bytes_ >= kLargeBytes; }

  size_t head_start() const { return bytes_ < kShortBytes ? kHeadStartBytes : 0; }

  /// An even number of chunks, so that two threads have the same to do, but for the head start.
  size_t chunk_bytes() const {
    size_t most = std::clamp(bytes_ / kChunks, kMinChunkBytes, kMaxChunkBytes);
    size_t pairs = (bytes_ / most + 1) / 2;
    return pairs == 0 ? bytes_ : (bytes_ - head_start()) / (2 * pairs);
  }

  static void run_chunks(void* context, uint32_t begin, uint32_t end) {
    const CpuStep& step = *static_cast<const CpuStep*>(context);
    const bool ask_ahead = step.is_large() && gains_by_asking_ahead();
    if (step.is_large() && step.last_.gives_way) std::this_thread::yield();
    FloatMode mode;
    for (size_t i = step.starts_[begin]; i < step.starts_[end]; i++) {
      const Run& piece = step.pieces_[i];
      // float64 is never flushed: no GPU ever computes it.
      mode.set(piece.dtype == Dtype::kFloat64 ? Subnormals::kKeep : step.last_.subnormals);
      step.kernels_->step[static_cast<int>(piece.dtype)](piece, step.params_, ask_ahead);
    }
  }

  std::vector<Run> pieces_;
  std::vector<size_t> starts_;  // first piece of each chunk, and the end
  size_t bytes_ = 0;
  // Of the last step, and what the loops make of it.
  StepSettings last_{};
  const CpuKernels* kernels_ = nullptr;
  StepParams params_{};
};

}  // namespace

std::unique_ptr<PreparedStep> prepare_cpu_step(const std::vector<Run>& runs) {
  return std::make_unique<CpuStep>(runs);
}

std::vector<const char*> cpu_instruction_sets() {
  std::vector<const char*> names;
  for (const CpuKernels* set : cpu_kernels()) names.push_back(set->name);
  return names;
}

bool choose_cpu_instruction_set(const std::string& name) {
  for (const CpuKernels* set : cpu_kernels()) {
    if (name != set->name) continue;
    chosen_kernels = set;
    return true;
  }
  return false;
}

int cpu_threads() { return ThreadPool::instance().threads(); }
void set_cpu_threads(int count) { ThreadPool::instance().set_threads(count); }

}  // namespace metal_sgd
