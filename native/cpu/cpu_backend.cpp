// The CPU backend: a prepared tree is a list of pieces, grouped into chunks for the thread pool.
// Elements are independent, so neither the split nor the threads can change a bit.
#include "cpu_backend.h"

#include <algorithm>
#include <atomic>

#include "arch.h"
#include "kernels.h"
#include "thread_pool.h"

namespace metal_sgd {

namespace {

std::atomic<const CpuKernels*> chosen_kernels{nullptr};

const CpuKernels& kernels() {
  const CpuKernels* chosen = chosen_kernels.load(std::memory_order_relaxed);
  return chosen ? *chosen : *cpu_kernels().front();
}

/// Memory traffic of one element with momentum: read w, g, v; write w, v.
constexpr size_t kStreams = 5;
/// Traffic of one chunk. Small enough that the last one to finish keeps nobody waiting for long;
/// large enough that claiming it costs nothing beside: 128 KiB steps a perceptron of 100,000
/// elements on two threads in less time than 64 or 320 KiB do. Large works stream as well in chunks
/// of 4 MiB as a C loop does that is not cut.
constexpr size_t kMinChunkBytes = 128 * 1024, kMaxChunkBytes = 4 * 1024 * 1024;
/// Chunks of one step between those two: plenty for every thread, also where some cores are busy.
constexpr size_t kChunks = 64;
/// Below this, waking a sleeping thread for a single step takes longer than doing its share.
constexpr size_t kWakeBytes = 4 * 1024 * 1024;

class CpuStep final : public PreparedStep {
 public:
  explicit CpuStep(const std::vector<Run>& runs) {
    for (const Run& run : runs) bytes_ += run.count * item_size(run.dtype) * kStreams;
    size_t chunk = std::clamp(bytes_ / kChunks, kMinChunkBytes, kMaxChunkBytes);
    size_t filled = chunk;  // bytes in the open chunk; full, so that the first piece opens one
    for (const Run& run : runs) {
      size_t item = item_size(run.dtype), offset = 0;
      while (offset < run.count) {
        if (filled >= chunk) {
          starts_.push_back(pieces_.size());
          filled = 0;
        }
        size_t room = (chunk - filled) / (kStreams * item) / kCut * kCut + kCut;
        size_t count = std::min(room, run.count - offset);
        pieces_.push_back(slice(run, offset * item, count));
        offset += count;
        filled += count * item * kStreams;
      }
    }
    starts_.push_back(pieces_.size());
  }

  void run(const Hyperparameters& given, Subnormals subnormals) override {
    Call call{this, {sgd_params<float>(given), sgd_params<double>(given)}, subnormals, &kernels()};
    ThreadPool::instance().run(static_cast<uint32_t>(starts_.size() - 1), &CpuStep::run_chunk,
                               &call, bytes_ >= kWakeBytes);
  }

 private:
  struct Call {
    const CpuStep* step;
    StepParams params;
    Subnormals subnormals;
    const CpuKernels* kernels;
  };

  static constexpr size_t kCut = 64;  // elements; pieces are cut at multiples of every vector width

  static Run slice(const Run& run, size_t bytes, size_t count) {
    void* velocity = run.velocity ? static_cast<char*>(run.velocity) + bytes : nullptr;
    return {static_cast<char*>(run.parameter) + bytes,
            static_cast<const char*>(run.gradient) + bytes, velocity, count, run.dtype};
  }

  static void run_chunk(void* context, uint32_t index) {
    const Call& call = *static_cast<const Call*>(context);
    FloatMode mode;
    Subnormals now = Subnormals::kKeep;
    mode.set(now);
    for (size_t i = call.step->starts_[index]; i < call.step->starts_[index + 1]; i++) {
      const Run& piece = call.step->pieces_[i];
      // float64 is never flushed: no GPU ever computes it.
      Subnormals wanted = piece.dtype == Dtype::kFloat64 ? Subnormals::kKeep : call.subnormals;
      if (wanted != now) mode.set(now = wanted);
      call.kernels->step[static_cast<int>(piece.dtype)](piece, call.params);
    }
  }

  std::vector<Run> pieces_;
  std::vector<size_t> starts_;  // first piece of each chunk, and the end
  size_t bytes_ = 0;
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
