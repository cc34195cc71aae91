// The one pool of worker threads of the process. Every thread has a share of the chunks, the same
// one in each step, so that what it stepped last time is still in its core's cache; when it is
// through, it helps with the other shares, so that a thread whose core is busy delays nobody.
#ifndef METAL_SGD_CPU_THREAD_POOL_H_
#define METAL_SGD_CPU_THREAD_POOL_H_

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

  /// Does the chunk; called from several threads at once, with different indices.
  using Work = void (*)(void* context, uint32_t index);

  /// Calls `work(context, i)` for every i below `count`, on the calling thread and on those of the
  /// pool that spin; returns when all calls have returned. Sleeping ones are woken where that is
  /// said to pay, and where runs follow one another so closely that they will spin from then on.
  /// While another thread runs its own work here, the caller does all of its chunks itself.
  void run(uint32_t count, Work work, void* context, bool worth_waking);

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
  void publish(uint32_t count, Work work, void* context, int helpers);
  void start_workers(int wanted);
  void worker_loop(int index);
  void take_part(int index);
  uint32_t finish_share(int share);
  void wait_for_stragglers(uint32_t count);

  struct Job {
    Work work;
    void* context;
    uint32_t count;
    int shares;
    uint32_t end_of(int share) const {
      return static_cast<uint32_t>(uint64_t{count} * (share + 1) / shares);
    }
  };
  /// What several threads write has a cache line of its own.
  struct alignas(64) Counter {
    std::atomic<uint32_t> value{0};
  };
  std::mutex caller_;           // held by the one whose work the pool does
  Clock::time_point last_end_;  // of the last run that had it
  Job job_{};                   // stable from a chunk's claim until it counts as finished
  Counter left_[kMaxThreads];   // chunks of each share that nobody has claimed
  Counter finished_;            // chunks done, of all shares
  Counter runs_;                // so far; a change is the sign to take part
  std::atomic<int> active_{0};  // workers below this number take part
  std::atomic<int> sleeping_{0};
  std::atomic<bool> caller_sleeps_{false};
  std::atomic<int> threads_{0};
  int started_ = 0;  // workers made so far; under caller_
  std::mutex sleep_;
  std::condition_variable work_came_, work_done_;
};

}  // namespace metal_sgd

#endif  // METAL_SGD_CPU_THREAD_POOL_H_
