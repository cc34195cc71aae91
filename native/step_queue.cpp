#include "step_queue.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "system/worker_thread.h"

namespace metal_sgd {

StepQueue& StepQueue::instance() {
  static StepQueue* queue = new StepQueue;
  return *queue;
}

void StepQueue::add(const void* owner, std::function<void()> job) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!started_) {
    std::thread([this] { loop(); }).detach();
    started_ = true;
  }
  waiting_.push_back({owner, std::move(job)});
  changed_.notify_all();
}

void StepQueue::finish(const void* owner) {
  std::unique_lock<std::mutex> lock(mutex_);
  auto ours = [&](const Entry& entry) { return entry.owner == owner; };
  waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(), ours), waiting_.end());
  changed_.wait(lock, [&] { return running_ != owner; });
}

void StepQueue::loop() {
  begin_worker_thread();
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return !waiting_.empty(); });
    Entry entry = std::move(waiting_.front());
    waiting_.pop_front();
    running_ = entry.owner;
    lock.unlock();
    entry.job();
    entry.job = nullptr;  // releases what it holds before its owner hears that it is over
    lock.lock();
    running_ = nullptr;
    changed_.notify_all();
  }
}

}  // namespace metal_sgd
