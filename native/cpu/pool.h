// The one pool of worker threads of the process. Every thread has a share of the chunks of a job.
// It gets the same share in each step, so that its elements are still in its core's cache. When it
// is done, it helps with the other shares, so that a thread whose core is busy delays nobody.
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

  /// Does the chunks from `begin` to before `end`. Several threads call it at once, with different
  /// chunks.
  using Work = void (*)(void* context, uint32_t begin, uint32_t end);

  /// Does `count` chunks on the calling thread and on the pool's spinning threads; returns when all
  /// are done. `large`: wakes sleeping threads, and threads claim chunks one by one. Otherwise
  /// workers are woken only if the last job ended within the spin time, and each claims half of
  /// what is left of its share at once. While another thread's job runs here, the caller does all
  /// of its chunks itself.
  void run(uint32_t count, Work work, void* context, bool large);

  /// Threads that work on a step, the caller's among them; the physical cores until set.
  int threads();
  /// At least 1. The next job starts missing workers; surplus workers sleep.
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

  // Fields written together lie in a pair of cache lines of their own: processors fetch pairs.

  /// A thread's part of a job. Its lines go from the caller's core to the thread's once in a step.
  struct alignas(128) Share {
    std::atomic<uint64_t> state{0};  // number of the job << 32 | unclaimed chunks
    std::atomic<bool> large{false};
    Work work;  // from here on unchanged while a claimed chunk is unfinished
    void* context;
    uint32_t end;  // the share's last chunk is before it
  };
  struct alignas(128) Finished {
    std::atomic<uint32_t> chunks{0};  // done by all threads but the callers, in all jobs together
    std::atomic<bool> caller_sleeps{false};
  };
  struct alignas(128) Team {
    std::atomic<int> shares{1};  // of the job
    std::atomic<int> sleeping{0};
    std::atomic<int> threads{0};
  };
  std::mutex caller_;           // held by the thread whose job runs
  Clock::time_point last_end_;  // of the last job that found threads asleep; under caller_
  uint32_t jobs_ = 0;           // so far; under caller_
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
