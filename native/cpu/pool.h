// The one pool of worker threads of the process. Every thread has a share of the chunks, the same
// one in each step, so that what it stepped last time is still in its core's cache; when it is
// through, it helps with the other shares, so that a thread whose core is busy delays nobody.
#ifndef METAL_SGD_CPU_POOL_H_
#define METAL_SGD_CPU_POOL_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace metal_sgd {

class ThreadPool {
 public:
  /// Never destroyed: process.exit() runs static destructors while workers still run.
  static ThreadPool& instance();

  /// Does the chunks from `begin` to before `end`; called from several threads at once, with
  /// different chunks.
  using Work = void (*)(void* context, uint32_t begin, uint32_t end);

  /// Has `work` do `count` chunks, on the calling thread and on those of the pool that spin;
  /// returns when all are done. `large`: sleeping threads are woken, and chunks are claimed one by
  /// one. Else the former happens only where runs follow one another so closely that they will spin
  /// from then on, and threads claim most of what is left of their share at once. While another
  /// thread runs its own work here, the caller does all of its chunks itself.
  void run(uint32_t count, Work work, void* context, bool large);

  /// Threads that work on a step, the caller's among them; the physical cores until set.
  int threads();
  /// At least 1. Starts what is missing at the next run; surplus workers sleep.
  void set_threads(int count);

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr int kMaxThreads = 1024;

  ThreadPool() = default;
  template <typename Condition>
  static bool spin_until(Condition done);
  uint32_t publish(uint32_t count, int shares, Work work, void* context, bool large);
  void wake(int helpers);
  void start_workers(int wanted);
  void worker_loop(int index);
  template <typename Tell>
  void take_part(int index, Tell tell);
  uint32_t finish_share(int index, bool own);
  void count_finished(uint32_t chunks);
  void wait_for_others(uint32_t chunks);

  // What is written together lies in a pair of cache lines of its own, since processors fetch
  // pairs.

  /// A thread's part of a run. The lines go from the caller's core to the thread's once in a step.
  struct alignas(128) Share {
    std::atomic<uint64_t> state{0};  // number of the run << 32 | chunks that nobody has claimed
    std::atomic<bool> large{false};
    Work work;  // from here on stable while a claimed chunk is not finished
    void* context;
    uint32_t end;  // chunks before it are left
  };
  struct alignas(128) Finished {
    std::atomic<uint32_t> chunks{0};  // by all threads but the callers, of all runs together
    std::atomic<bool> caller_sleeps{false};
  };
  struct alignas(128) Team {
    std::atomic<int> shares{1};  // of the run
    std::atomic<int> sleeping{0};
    std::atomic<int> threads{0};
  };
  std::mutex caller_;           // held by the one whose work the pool does
  Clock::time_point last_end_;  // of the last run that found threads asleep; under caller_
  uint32_t runs_ = 0;           // so far; under caller_
  uint32_t chunks_ = 0;         // what Finished::chunks has to reach; under caller_
  int started_ = 0;             // workers made so far; under caller_
  Share shares_[kMaxThreads];   // the caller's comes first
  Finished finished_;
  Team team_;
  std::mutex sleep_;
  std::condition_variable work_came_, work_done_;
};

}  // namespace metal_sgd

#endif  // METAL_SGD_CPU_POOL_H_
