// Threads are detached and keep their timeline alive: the process may exit at any moment.
#include "timeline.h"

#import <Foundation/Foundation.h>

#include <chrono>
#include <thread>

#include "counters.h"
#include "report.h"

namespace metal_sim {
namespace {

struct Outstanding {
  std::mutex mutex;
  std::condition_variable idle;
  size_t jobs = 0;
};

Outstanding& outstanding() {
  static Outstanding* only = new Outstanding;
  return *only;
}

void count_outstanding(int difference) {
  std::lock_guard<std::mutex> lock(outstanding().mutex);
  outstanding().jobs += static_cast<size_t>(difference);
  if (outstanding().jobs == 0) outstanding().idle.notify_all();
}

double now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

void pause(double milliseconds) {
  if (milliseconds > 0) {
    std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(milliseconds));
  }
}

/// Dispatches of one command buffer that nothing orders must not touch each other's bytes.
bool unordered(const Dispatch& one, const Dispatch& other) {
  if (one.encoder == other.encoder) return one.concurrent && one.epoch == other.epoch;
  // Metal orders encoders by the buffers that it tracks.
  for (const Binding& binding : one.bindings) {
    if (binding.memory && !binding.memory->tracked()) return true;
  }
  return false;
}

void check_order(const Submission& submission, size_t n, const std::vector<Touched>& touched) {
  for (size_t earlier = 0; earlier < n; ++earlier) {
    Range common;
    if (!touched[n].writes.overlaps(touched[earlier].writes, &common) &&
        !touched[n].writes.overlaps(touched[earlier].reads, &common) &&
        !touched[n].reads.overlaps(touched[earlier].writes, &common)) {
      continue;
    }
    if (!unordered(submission.dispatches[n], submission.dispatches[earlier])) continue;
    violation("P10",
              "dispatches %zu and %zu of command buffer %s both touch %zu bytes at %#zx, one"
              " writing, without a barrier between them",
              earlier, n, submission.name().c_str(), common.end - common.begin, common.begin);
  }
}

/// One set of many at once: adding them one by one takes the square of the time.
RangeSet joined(const std::vector<RangeSet>& sets) {
  std::vector<Range> all;
  for (const RangeSet& set : sets) all.insert(all.end(), set.ranges().begin(), set.ranges().end());
  return RangeSet(std::move(all));
}

/// True if no two dispatches touch the same byte: then nothing has to order them.
bool are_apart(const std::vector<Touched>& touched) {
  std::vector<RangeSet> sets;
  uint64_t bytes = 0;
  for (const Touched& one : touched) {
    sets.push_back(joined({one.reads, one.writes}));
    bytes += sets.back().bytes();
  }
  return joined(sets).bytes() == bytes;
}

void run(Submission* submission, const Settings& settings) {
  if (!submission->simulated) return finish_running(submission, {});
  std::vector<Touched> touched;
  std::vector<RangeSet> reads, writes;
  for (const Dispatch& dispatch : submission->dispatches) {
    touched.push_back(run_dispatch(dispatch, settings));
    reads.push_back(touched.back().reads);
    writes.push_back(touched.back().writes);
  }
  if (!are_apart(touched))
    for (size_t n = 0; n < touched.size(); ++n) check_order(*submission, n, touched);
  finish_running(submission, {joined(reads), joined(writes)});
}

/// What a failed command buffer leaves behind: nothing, or the first half of every range.
RangeSet kept_writes(const Submission& submission, const std::optional<Fault>& fault) {
  if (!fault) return submission.touched.writes;
  std::vector<Range> kept;
  if (fault->partial) {
    for (const Range& range : submission.touched.writes.ranges()) {
      kept.push_back({range.begin, range.begin + (range.end - range.begin) / 2});
    }
  }
  return RangeSet(std::move(kept));
}

void complete(const Job& job, const Outcome& outcome) {
  @autoreleasepool {
    pause(job.settings->completionDelayMs);
    end_flight(job.submission, kept_writes(*job.submission, outcome.fault));
    job.complete(outcome);
  }
  count_outstanding(-1);
}

}  // namespace

void Timeline::start() {
  auto self = shared_from_this();
  std::thread([self] { self->run_jobs(); }).detach();
  std::thread([self] { self->complete_jobs(); }).detach();
}

void Timeline::submit(Job job) {
  count_outstanding(1);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    submitted_.push_back(std::move(job));
  }
  changed_.notify_all();
}

void Timeline::close() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

void Timeline::run_jobs() {
  CallTimer::leave_out_this_thread();
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return !submitted_.empty() || closed_; });
    if (submitted_.empty()) break;
    Job job = std::move(submitted_.front());
    submitted_.pop_front();
    running_ = true;
    lock.unlock();
    Outcome outcome{now(), 0, job.fault};
    run(job.submission, *job.settings);
    pause(job.settings->stepLatencyMs);
    outcome.end = now();
    lock.lock();
    running_ = false;
    finished_.push_back({std::move(job), outcome});
    changed_.notify_all();
  }
  all_run_ = true;
  changed_.notify_all();
}

/// In order, one by one; or, out of order, all at once and the last one first.
bool Timeline::take_finished(std::deque<Finished>* batch) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] {
    if (finished_.empty()) return all_run_;
    return !finished_.front().job.settings->outOfOrder || (submitted_.empty() && !running_);
  });
  if (finished_.empty()) return false;
  if (finished_.front().job.settings->outOfOrder) {
    batch->assign(std::make_move_iterator(finished_.rbegin()),
                  std::make_move_iterator(finished_.rend()));
    finished_.clear();
  } else {
    batch->push_back(std::move(finished_.front()));
    finished_.pop_front();
  }
  return true;
}

void Timeline::complete_jobs() {
  CallTimer::leave_out_this_thread();
  GSRegisterCurrentThread();
  for (std::deque<Finished> batch; take_finished(&batch); batch.clear()) {
    for (const Finished& finished : batch) {
      if (!finished.job.settings->freshHandlerThreads) {
        complete(finished.job, finished.outcome);
        continue;
      }
      std::thread([&finished] {
        CallTimer::leave_out_this_thread();
        GSRegisterCurrentThread();
        complete(finished.job, finished.outcome);
        GSUnregisterCurrentThread();
      }).join();
    }
  }
  GSUnregisterCurrentThread();
}

void wait_until_idle() {
  std::unique_lock<std::mutex> lock(outstanding().mutex);
  outstanding().idle.wait(lock, [] { return outstanding().jobs == 0; });
}

}  // namespace metal_sim
