// The simulated GPU's clock of one queue: runs what was committed, in order, and completes it.
#ifndef METAL_SGD_TEST_METAL_SIM_TIMELINE_H_
#define METAL_SGD_TEST_METAL_SIM_TIMELINE_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "flights.h"
#include "settings.h"

namespace metal_sim {

/// How a command buffer ended.
struct Outcome {
  double start;  ///< seconds, as GPUStartTime
  double end;
  std::optional<Fault> fault;
};

/// A committed command buffer.
struct Job {
  Submission* submission;  ///< owned by the command buffer
  std::shared_ptr<const Settings> settings;
  std::optional<Fault> fault;
  std::function<void(const Outcome&)> complete;  ///< called once, from the completion thread
};

/// Two threads per queue, one that runs and one that completes; both end when the queue is closed.
class Timeline : public std::enable_shared_from_this<Timeline> {
 public:
  void start();
  void submit(Job job);
  /// What was submitted is still run.
  void close();

 private:
  struct Finished {
    Job job;
    Outcome outcome;
  };

  void run_jobs();
  void complete_jobs();
  bool take_finished(std::deque<Finished>* batch);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> submitted_;
  std::deque<Finished> finished_;
  bool running_ = false;  ///< a job is between the two lists
  bool closed_ = false;
  bool all_run_ = false;
};

/// Until every job of every queue was completed and its handlers have returned.
void wait_until_idle();

}  // namespace metal_sim

#endif  // METAL_SGD_TEST_METAL_SIM_TIMELINE_H_
