// The one pool of worker threads of the process: work is handed out in chunks, so that a thread
// whose core is busy takes fewer of them and delays nobody.
#ifndef METAL_SGD_CPU_THREAD_POOL_H_
#define METAL_SGD_CPU_THREAD_POOL_H_

#include <atomic>
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

  /// Calls `work(context, i)` for every i below `count`, on the calling thread and, where
  /// `worth_waking` or they spin anyway, on the pool's; returns when all calls have returned.
  /// While another thread runs its own work here, the caller does all of its chunks itself.
  void run(uint32_t count, Work work, void* context, bool worth_waking);

  /// Threads that work on a step, the caller's among them; the physical cores until set.
  int threads();
  /// At least 1. Starts what is missing at the next run; surplus workers sleep.
  void set_threads(int count);

 private:
  ThreadPool() = default;
  void start_workers(int wanted);
  void worker_loop(int index);
  bool run_one_chunk();
  void wait_for_stragglers(uint32_t count);

  struct Job {
    Work work;
    void* context;
    uint32_t count;
  };
  std::mutex caller_;                   // held by the one whose work the pool does
  Job job_{};                           // stable from a chunk's claim to its `finished_`
  std::atomic<uint32_t> remaining_{0};  // chunks that nobody has claimed
  std::atomic<uint32_t> finished_{0};   // chunks done
  std::atomic<int> active_{0};          // workers below this number take part
  std::atomic<int> sleeping_{0};
  std::atomic<bool> caller_sleeps_{false};
  std::atomic<int> threads_{0};
  int started_ = 0;  // workers made so far; under caller_
  std::mutex sleep_;
  std::condition_variable work_came_, work_done_;
};

}  // namespace metal_sgd

#endif  // METAL_SGD_CPU_THREAD_POOL_H_
