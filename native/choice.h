// Which of two devices takes a step faster, by the times of real steps. Knows no device.
#ifndef METAL_SGD_CHOICE_H_
#define METAL_SGD_CHOICE_H_

#include <cstddef>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>

namespace metal_sgd {

enum Side : uint8_t { kOnCpu, kOnGpu };

/// Seconds that a step takes on each side, by the wall clock; NaN: not known yet.
struct StepTimes {
  double on[2] = {std::numeric_limits<double>::quiet_NaN(),
                  std::numeric_limits<double>::quiet_NaN()};
};

/// The side of one kind of step. Its first steps are timed on the CPU, the next on the GPU; the
/// faster side stays. The other one is tried again where steps became slower than it was, and
/// rarely besides. Any thread.
class Choice {
 public:
  struct Turn {
    Side side;
    bool is_timed;  ///< a trial: the side is not chosen
  };
  /// Where the next step runs.
  Turn turn() const;
  /// A step ran there and took this many seconds.
  void took(Side side, double seconds);
  StepTimes times() const;

 private:
  Side other() const { return side_ == kOnCpu ? kOnGpu : kOnCpu; }
  void try_side(Side side);
  void stay_on(Side side);
  void end_trial();
  void end_window();
  bool is_time_to_retry() const;

  mutable std::mutex mutex_;
  StepTimes times_;
  Side side_ = kOnCpu;
  bool is_trial_ = true;
  bool is_decided_ = false;  // both sides have been timed
  // Of the trial, or of the present window of steps:
  int steps_ = 0;
  double sum_ = 0, shortest_ = std::numeric_limits<double>::infinity(), longest_ = 0;
  // Since the last trial:
  int steps_since_ = 0;
  double seconds_since_ = 0;
};

/// What the steps of one kind have in common: they take as long.
struct StepKind {
  size_t traffic;  ///< bytes
  size_t spans;
  bool measures;
  bool operator<(const StepKind& other) const {
    return std::tie(traffic, spans, measures) <
           std::tie(other.traffic, other.spans, other.measures);
  }
};

/// The choices of one optimizer, whose trees may lie in other memory at each step.
class Choices {
 public:
  std::shared_ptr<Choice> of(const StepKind& kind);

 private:
  std::map<StepKind, std::shared_ptr<Choice>> choices_;
};

}  // namespace metal_sgd

#endif  // METAL_SGD_CHOICE_H_
