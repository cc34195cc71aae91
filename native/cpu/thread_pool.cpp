#include "thread_pool.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <thread>

#include "arch.h"
#include "cores.h"

namespace metal_sgd {

namespace {

constexpr std::chrono::microseconds kSpin{20};

/// Takes one off what is left: the number before, 0 if there was none.
uint32_t claim(std::atomic<uint32_t>& left) {
  uint32_t before = left.load(std::memory_order_acquire);
  while (before != 0 &&
         !left.compare_exchange_weak(before, before - 1, std::memory_order_acq_rel)) {
  }
  return before;
}

}  // namespace

/// Calls `done` until it is true or the time to spin has gone by; what it last said.
template <typename Condition>
bool ThreadPool::spin_until(Condition done) {
  auto end = Clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; i++) {
      if (done()) return true;
      cpu_pause();
    }
  } while (Clock::now() < end);
  return done();
}

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
  int threads = std::min(this->threads(), kMaxThreads);
  int helpers = static_cast<int>(std::min<int64_t>(threads, count)) - 1;
  std::unique_lock<std::mutex> caller(caller_, std::defer_lock);
  if (helpers <= 0 || !caller.try_lock()) {
    for (uint32_t i = 0; i < count; i++) work(context, i);
    return;
  }
  bool wake = worth_waking || Clock::now() - last_end_ < kSpin;
  if (wake) start_workers(helpers);
  publish(count, work, context, helpers);
  if (wake && sleeping_.load() > 0) {
    {
      std::lock_guard<std::mutex> lock(sleep_);
    }  // a worker that just saw no work is in its wait by now
    work_came_.notify_all();
  }
  take_part(0);
  wait_for_stragglers(count);
  last_end_ = Clock::now();
}

void ThreadPool::publish(uint32_t count, Work work, void* context, int helpers) {
  job_ = {work, context, count, helpers + 1};
  finished_.value.store(0, std::memory_order_relaxed);
  active_.store(helpers, std::memory_order_relaxed);
  uint32_t begin = 0;
  for (int share = 0; share <= helpers; share++) {
    uint32_t end = job_.end_of(share);
    left_[share].value.store(end - begin, std::memory_order_release);
    begin = end;
  }
  runs_.value.fetch_add(1);  // seq_cst with sleeping_: one of the two sees the other
}

/// Does the chunks of the thread's own share, then what is left of the others.
void ThreadPool::take_part(int index) {
  int shares = active_.load(std::memory_order_relaxed) + 1;
  uint32_t done = 0;
  for (int i = 0; i < shares; i++) done += finish_share((index + i) % shares);
  if (done == 0) return;
  uint32_t count = job_.count;
  // seq_cst with caller_sleeps_: either we see that the caller sleeps, or it sees our chunks done.
  if (finished_.value.fetch_add(done) + done == count && caller_sleeps_.load()) {
    std::lock_guard<std::mutex> lock(sleep_);
    work_done_.notify_one();
  }
}

/// Claims and does chunk after chunk until none is left; how many it did.
uint32_t ThreadPool::finish_share(int share) {
  uint32_t done = 0;
  while (uint32_t left = claim(left_[share].value)) {
    job_.work(job_.context, job_.end_of(share) - left);
    done++;
  }
  return done;
}

void ThreadPool::wait_for_stragglers(uint32_t count) {
  auto done = [&] { return finished_.value.load() == count; };
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
  uint32_t seen = 0;
  for (;;) {
    auto work_for_us = [&] {
      return index < active_.load(std::memory_order_relaxed) && runs_.value.load() != seen;
    };
    if (!spin_until(work_for_us)) {
      std::unique_lock<std::mutex> lock(sleep_);
      sleeping_++;
      work_came_.wait(lock, work_for_us);
      sleeping_--;
    }
    seen = runs_.value.load();
    take_part(index + 1);
  }
}

}  // namespace metal_sgd
