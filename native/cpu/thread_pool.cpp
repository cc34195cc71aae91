#include "thread_pool.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <thread>

#include "arch.h"
#include "cores.h"

namespace metal_sgd {

namespace {

/// Calls `done` until it is true or 20 microseconds have gone by; what it last said.
template <typename Condition>
bool spin_until(Condition done) {
  using Clock = std::chrono::steady_clock;
  auto end = Clock::now() + std::chrono::microseconds(20);
  do {
    for (int i = 0; i < 32; i++) {
      if (done()) return true;
      cpu_pause();
    }
  } while (Clock::now() < end);
  return done();
}

}  // namespace

ThreadPool& ThreadPool::instance() {
  static ThreadPool* pool = new ThreadPool;
  return *pool;
}

int ThreadPool::threads() {
  int count = threads_.load();
  if (count == 0) {
    int expected = 0;
    count = physical_cores();
    if (!threads_.compare_exchange_strong(expected, count)) count = expected;
  }
  return count;
}

void ThreadPool::set_threads(int count) { threads_ = std::max(1, count); }

void ThreadPool::run(uint32_t count, Work work, void* context, bool worth_waking) {
  int helpers = static_cast<int>(std::min<int64_t>(threads(), count)) - 1;
  std::unique_lock<std::mutex> caller(caller_, std::defer_lock);
  if (helpers <= 0 || !caller.try_lock() || (!worth_waking && started_ == 0)) {
    for (uint32_t i = 0; i < count; i++) work(context, i);
    return;
  }
  start_workers(helpers);
  job_ = {work, context, count};
  finished_.store(0, std::memory_order_relaxed);
  active_.store(helpers, std::memory_order_relaxed);
  remaining_.store(count);
  if (worth_waking && sleeping_.load() > 0) {
    {
      std::lock_guard<std::mutex> lock(sleep_);
    }  // a worker that just saw no work is in its wait by now
    work_came_.notify_all();
  }
  while (run_one_chunk()) {
  }
  wait_for_stragglers(count);
}

/// Claims a chunk and does it; false if none was left.
bool ThreadPool::run_one_chunk() {
  uint32_t left = remaining_.load(std::memory_order_acquire);
  do {
    if (left == 0) return false;
  } while (!remaining_.compare_exchange_weak(left, left - 1, std::memory_order_acq_rel));
  Job job = job_;
  job.work(job.context, job.count - left);
  // seq_cst with caller_sleeps_: either we see that the caller sleeps, or it sees our chunk done.
  if (finished_.fetch_add(1) + 1 == job.count && caller_sleeps_.load()) {
    std::lock_guard<std::mutex> lock(sleep_);
    work_done_.notify_one();
  }
  return true;
}

void ThreadPool::wait_for_stragglers(uint32_t count) {
  auto done = [&] { return finished_.load() == count; };
  if (spin_until(done)) return;
  std::unique_lock<std::mutex> lock(sleep_);
  caller_sleeps_ = true;
  work_done_.wait(lock, done);
  caller_sleeps_ = false;
}

void ThreadPool::start_workers(int wanted) {
  while (started_ < wanted) {
    try {
      std::thread([this, index = started_] { worker_loop(index); }).detach();
    } catch (const std::system_error&) {
      return;  // no thread to be had: the caller does the chunks that nobody takes
    }
    started_++;
  }
}

void ThreadPool::worker_loop(int index) {
  for (;;) {
    auto work_for_us = [&] {
      return index < active_.load(std::memory_order_relaxed) && remaining_.load() > 0;
    };
    if (!spin_until(work_for_us)) {
      std::unique_lock<std::mutex> lock(sleep_);
      sleeping_++;
      work_came_.wait(lock, work_for_us);
      sleeping_--;
    }
    while (run_one_chunk()) {
    }
  }
}

}  // namespace metal_sgd
