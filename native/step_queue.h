// The one thread of the process for asynchronous steps; it runs them in order.
#ifndef METAL_SGD_STEP_QUEUE_H_
#define METAL_SGD_STEP_QUEUE_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

namespace metal_sgd {

class StepQueue {
 public:
  /// Never destroyed: process.exit() runs static destructors while the thread still runs.
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
