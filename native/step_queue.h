// A thread that runs jobs in order: one for the asynchronous steps of the process, one for MPI.
#ifndef METAL_SGD_STEP_QUEUE_H_
#define METAL_SGD_STEP_QUEUE_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

namespace metal_sgd {

class StepQueue {
 public:
  /// That of asynchronous steps. Never destroyed, as any other: process.exit() runs static
  /// destructors while the thread still runs.
  static StepQueue& instance();

  /// Runs `job` later, on the queue's thread. `owner` can wait for it. Throws std::system_error if
  /// the thread can't be started; the job is then not taken.
  void add(const void* owner, std::function<void()> job);

  /// Drops the owner's jobs that have not begun and waits for the one that has.
  void finish(const void* owner);

 private:
  struct Entry {
    const void* owner;
    std::function<void()> job;
  };
  void loop();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Entry> waiting_;
  const void* running_ = nullptr;  // the owner whose job runs
  bool started_ = false;
};

}  // namespace metal_sgd

#endif  // METAL_SGD_STEP_QUEUE_H_
