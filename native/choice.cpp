#include "choice.h"

#include <algorithm>
#include <cmath>

namespace metal_sgd {

namespace {

constexpr int kUntimed = 1;  // the first step of a trial compiles, wakes the device, fills caches
constexpr int kTimed = 3;
constexpr int kWindow = 16;  // steps whose mean shows that times have changed
constexpr int kRarely = 200;
constexpr double kLoss = 0.02;  // the share of the time that trials of the slower side may cost
constexpr double kClear = 1.1;  // smaller differences are noise, once a side has been chosen

/// An optimizer that steps more kinds than these starts anew.
constexpr size_t kMaxKinds = 64;

}  // namespace

Choice::Turn Choice::turn() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return {side_, is_trial_};
}

StepTimes Choice::times() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return times_;
}

void Choice::took(Side side, double seconds) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (side != side_) return;  // another step has ended the trial meanwhile
  steps_++;
  if (!is_trial_) {
    steps_since_++;
    seconds_since_ += seconds;
  } else if (steps_ <= kUntimed) {
    return;
  }
  sum_ += seconds;
  shortest_ = std::min(shortest_, seconds);
  longest_ = std::max(longest_, seconds);
  if (is_trial_) {
    if (steps_ == kUntimed + kTimed) end_trial();
  } else if (is_time_to_retry()) {
    try_side(other());
  } else if (steps_ == kWindow) {
    end_window();
  }
}

/// First trials compare the shortest steps: a device that wakes slowly must not lose for that.
/// Later ones compare what steps take on average.
void Choice::end_trial() {
  times_.on[side_] = is_decided_ ? sum_ / kTimed : shortest_;
  double own = times_.on[side_], others = times_.on[other()];
  if (std::isnan(others)) return try_side(other());
  double margin = is_decided_ ? kClear : 1;
  is_decided_ = true;
  stay_on(own * margin < others ? side_ : other());
}

/// One step of a window may take long for reasons of its own.
void Choice::end_window() {
  times_.on[side_] = (sum_ - longest_) / (kWindow - 1);
  if (times_.on[side_] > kClear * times_.on[other()])
    try_side(other());
  else
    stay_on(side_);
}

bool Choice::is_time_to_retry() const {
  double loss = (kUntimed + kTimed) * (times_.on[other()] - times_.on[side_]);
  return steps_since_ >= kRarely && loss <= kLoss * seconds_since_;
}

void Choice::try_side(Side side) {
  steps_since_ = 0;
  seconds_since_ = 0;
  stay_on(side);
  is_trial_ = true;
}

void Choice::stay_on(Side side) {
  side_ = side;
  is_trial_ = false;
  steps_ = 0;
  sum_ = longest_ = 0;
  shortest_ = std::numeric_limits<double>::infinity();
}

std::shared_ptr<Choice> Choices::of(const StepKind& kind) {
  auto known = choices_.find(kind);
  if (known != choices_.end()) return known->second;
  if (choices_.size() == kMaxKinds) choices_.clear();
  return choices_[kind] = std::make_shared<Choice>();
}

}  // namespace metal_sgd
