#include "pool.h"

#include <algorithm>
#include <exception>
#include <new>
#include <thread>

#include "arch.h"
#include "system/cores.h"
#include "system/worker_thread.h"

namespace metal_sgd {

namespace {

constexpr std::chrono::microseconds kSpin{20};

uint32_t job_of(uint64_t state) { return static_cast<uint32_t>(state >> 32); }
uint32_t left_of(uint64_t state) { return static_cast<uint32_t>(state); }

/// Chunks to claim at once from the rest of a share. A claim waits some 50 ns, until earlier stores
/// have left the core: short jobs are better off with few claims. Of half a job, a thread at a
/// quarter of the speed takes no longer for half than one thread for the job.
uint32_t claim_of(uint32_t left, bool one_by_one) { return one_by_one ? 1 : left - left / 2; }

}  // namespace

/// Calls `done` until it is true or the spin time is over; returns its last answer.
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
  // Not on the heap, whose aligned kind would be one more symbol that C++ libraries must have.
  alignas(ThreadPool) static unsigned char memory[sizeof(ThreadPool)];
  static ThreadPool* pool = new (memory) ThreadPool;
  return *pool;
}

int ThreadPool::threads() {
  int count = team_.threads.load();
  if (count == 0) {
    int expected = 0;
    count = physical_cores();
    if (!team_.threads.compare_exchange_strong(expected, count)) count = expected;
  }
  return count;
}

void ThreadPool::set_threads(int count) { team_.threads = std::max(1, count); }

void ThreadPool::run(uint32_t count, Work work, void* context, bool large) {
  int threads = std::min(this->threads(), kMaxThreads);
  int shares = static_cast<int>(std::min<int64_t>(threads, count));
  std::unique_lock<std::mutex> caller(caller_, std::defer_lock);
  if (shares <= 1 || !caller.try_lock()) {
    work(context, 0, count);
    return;
  }
  uint32_t first = publish(count, shares, work, context, large);
  // With the fence either we see that a thread sleeps, or it sees the job. Only large jobs are
  // worth its time.
  if (large) std::atomic_thread_fence(std::memory_order_seq_cst);
  bool asleep = started_ < shares - 1 || team_.sleeping.load(std::memory_order_relaxed) > 0;
  if (asleep && (large || Clock::now() - last_end_ < kSpin)) wake(shares - 1);
  work(context, 0, first);
  uint32_t own = first;
  take_part(0, [&](uint32_t done) { own += done; });
  wait_for_others(count - own);
  if (asleep) last_end_ = Clock::now();
}

/// Shows the workers their shares; returns how many chunks of the first one the caller has claimed.
uint32_t ThreadPool::publish(uint32_t count, int shares, Work work, void* context, bool large) {
  if (team_.shares.load(std::memory_order_relaxed) != shares) team_.shares = shares;
  uint64_t job = uint64_t{++jobs_} << 32;
  uint32_t end = count, first = 0;
  for (int index = shares - 1; index >= 0; index--) {
    uint32_t begin = static_cast<uint32_t>(uint64_t{count} * index / shares);
    Share& share = shares_[index];
    share.work = work;
    share.context = context;
    share.end = end;
    share.large.store(large, std::memory_order_relaxed);
    first = index == 0 ? claim_of(end - begin, large) : 0;
    share.state.store(job | (end - begin - first), std::memory_order_release);
    end = begin;
  }
  return first;
}

/// Wakes sleeping workers, and starts missing ones.
void ThreadPool::wake(int helpers) {
  start_workers(helpers);
  {
    std::lock_guard<std::mutex> lock(sleep_);
  }  // a worker that just saw no work is in its wait by now
  work_came_.notify_all();
}

/// Finishes the thread's own share, then the others; tells the number of chunks of each.
template <typename Tell>
void ThreadPool::take_part(int index, Tell tell) {
  tell(finish_share(index, true));
  int shares = team_.shares.load(std::memory_order_relaxed);
  for (int i = 1; i < shares; i++) tell(finish_share((index + i) % shares, false));
}

void ThreadPool::count_finished(uint32_t chunks) {
  if (chunks == 0) return;
  // seq_cst: either we see that the caller sleeps, or it sees our chunks done.
  finished_.chunks.fetch_add(chunks);
  if (!finished_.caller_sleeps.load()) return;
  std::lock_guard<std::mutex> lock(sleep_);
  work_done_.notify_one();
}

/// Claims and does chunks until none is left; returns how many it did.
uint32_t ThreadPool::finish_share(int index, bool own) {
  Share& share = shares_[index];
  uint32_t done = 0;
  uint64_t state = share.state.load(std::memory_order_acquire);
  while (uint32_t left = left_of(state)) {
    bool large = share.large.load(std::memory_order_relaxed);
    uint32_t claimed = claim_of(left, large || !own);
    if (!share.state.compare_exchange_weak(state, state - claimed, std::memory_order_acq_rel)) {
      continue;
    }
    share.work(share.context, share.end - left, share.end - left + claimed);
    done += claimed;
    state = share.state.load(std::memory_order_acquire);
  }
  return done;
}

/// Waits until the other threads have done this many more chunks.
void ThreadPool::wait_for_others(uint32_t chunks) {
  chunks_ += chunks;
  auto done = [&] { return finished_.chunks.load() == chunks_; };
  if (spin_until(done)) return;
  std::unique_lock<std::mutex> lock(sleep_);
  finished_.caller_sleeps = true;
  work_done_.wait(lock, done);
  finished_.caller_sleeps = false;
}

void ThreadPool::start_workers(int wanted) {
  while (started_ < wanted) {
    try {
      std::thread([this, index = started_ + 1] { worker_loop(index); }).detach();
    } catch (const std::exception&) {
      return;  // no thread, or no memory for one: the caller does the chunks that nobody takes
    }
    started_++;
  }
}

void ThreadPool::worker_loop(int index) {
  begin_worker_thread();
  uint32_t seen = 0;
  for (;;) {
    auto work_for_us = [&] { return job_of(shares_[index].state.load()) != seen; };
    if (!spin_until(work_for_us)) {
      std::unique_lock<std::mutex> lock(sleep_);
      team_.sleeping++;
      work_came_.wait(lock, work_for_us);
      team_.sleeping--;
    }
    seen = job_of(shares_[index].state.load());
    take_part(index, [this](uint32_t done) { count_finished(done); });
  }
}

}  // namespace metal_sgd
