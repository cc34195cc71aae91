// What a GPU may make of float32 results near zero otherwise than the host's processor does. The
// host flushes after it rounds, and keeps the sign.
#ifndef METAL_SGD_TEST_METAL_SIM_TINY_H_
#define METAL_SGD_TEST_METAL_SIM_TINY_H_

#include <functional>
#include <vector>

#include "memory.h"
#include "settings.h"

namespace metal_sim {

/// How a run of the kernel treats float32 subnormals, and where it rounds to.
enum class Rounding { kFlush, kKeep, kFlushTowardsZero };

/// Finds the results that such a GPU flushes otherwise, by runs beside the one that counts. Not
/// modelled: the sign of a zero that a flushed number leaves in a sum with -0, and whether an
/// operation before the last is flushed before it is rounded.
class TinyResults {
 public:
  /// Runs the kernel on the buffers, and undoes that.
  TinyResults(std::vector<const BufferMemory*> buffers, const Settings& settings,
              const std::function<void(Rounding)>& run);

  /// After the run that counts. `lane` is the size of an element: 4, or 2 for words of bfloat16.
  void apply(size_t lane);

 private:
  using Contents = std::vector<std::vector<unsigned char>>;
  Contents contents() const;

  std::vector<const BufferMemory*> buffers_;
  bool positive_zero_, before_rounding_;
  Contents kept_, truncated_;
};

}  // namespace metal_sim

#endif  // METAL_SGD_TEST_METAL_SIM_TINY_H_
