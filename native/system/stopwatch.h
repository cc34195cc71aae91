// The wall clock that the devices' steps are timed by.
#ifndef METAL_SGD_SYSTEM_STOPWATCH_H_
#define METAL_SGD_SYSTEM_STOPWATCH_H_

#include <cstddef>
#include <cstdint>

namespace metal_sgd {

class Stopwatch {
 public:
  Stopwatch();
  /// Since it was made. `traffic`: bytes that were stepped meanwhile, by which a simulated clock
  /// goes.
  double seconds(size_t traffic) const;

 private:
  uint64_t start_;
};

}  // namespace metal_sgd

#endif  // METAL_SGD_SYSTEM_STOPWATCH_H_
