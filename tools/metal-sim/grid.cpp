// Cores are made at first use and never end: the process may exit while they work.
#include "grid.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <thread>

namespace metal_sim {
namespace {

struct Job {
  uint64_t threads;
  uint32_t group;
  uint64_t groups;
  uint64_t start;  ///< the n-th group to run is (start + n * stride) mod groups
  uint64_t stride;
  const std::function<void(int, uint32_t, uint32_t)>* run;
  std::atomic<uint64_t> next{0};
};

class Cores {
 public:
  void run(Job& job, int cores) {
    std::lock_guard<std::mutex> one_grid(grid_mutex_);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      while (made_ < cores) std::thread(&Cores::work, this, made_++).detach();
      job_ = &job;
      wanted_ = cores;
      busy_ = cores;
      ++generation_;
    }
    wake_.notify_all();
    std::unique_lock<std::mutex> lock(mutex_);
    idle_.wait(lock, [this] { return busy_ == 0; });
  }

 private:
  void work(int core) {
    uint64_t seen = 0;
    for (;;) {
      Job* job;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return generation_ != seen; });
        seen = generation_;
        if (core >= wanted_) continue;
        job = job_;
      }
      run_groups(*job, core);
      std::lock_guard<std::mutex> lock(mutex_);
      if (--busy_ == 0) idle_.notify_all();
    }
  }

  static void run_groups(Job& job, int core) {
    constexpr uint64_t kBatch = 8;
    for (;;) {
      uint64_t from = job.next.fetch_add(kBatch);
      if (from >= job.groups) return;
      for (uint64_t n = from; n < std::min(from + kBatch, job.groups); ++n) {
        uint64_t first = (job.start + n * job.stride) % job.groups * job.group;
        uint64_t last = std::min(first + job.group, job.threads);
        (*job.run)(core, static_cast<uint32_t>(first), static_cast<uint32_t>(last));
      }
    }
  }

  std::mutex grid_mutex_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  Job* job_ = nullptr;
  int made_ = 0;
  int wanted_ = 0;
  int busy_ = 0;
  uint64_t generation_ = 0;
};

/// A step through all groups that looks random: any number without a common divisor does.
uint64_t stride_for(uint64_t groups, uint64_t seed) {
  uint64_t stride = (groups * 5 / 8 + seed) % groups;
  while (std::gcd(stride, groups) != 1) stride = (stride + 1) % std::max<uint64_t>(groups, 2);
  return stride;
}

}  // namespace

void run_grid(uint64_t threads, uint32_t group, int cores, uint64_t seed,
              const std::function<void(int, uint32_t, uint32_t)>& run) {
  static Cores* only = new Cores;
  Job job;
  job.threads = threads;
  job.group = group;
  job.groups = (threads + group - 1) / group;
  job.start = seed * 7919 % job.groups;
  job.stride = stride_for(job.groups, seed);
  job.run = &run;
  only->run(job, cores);
}

}  // namespace metal_sim
