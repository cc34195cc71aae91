// What depends on the processor's architecture: one `arch_*.cpp` each.
#ifndef METAL_SGD_CPU_ARCH_H_
#define METAL_SGD_CPU_ARCH_H_

#include "backend.h"

namespace metal_sgd {

/// A hint to the processor that the thread spins.
void cpu_pause();

/// The floating-point mode of a thread while it steps: round to nearest, traps masked, float32
/// subnormals kept or flushed, whatever another library has set (one built with -ffast-math
/// flushes). The destructor restores the former mode. The register is written only if that changes
/// it: a write takes as long as a hundred elements.
class FloatMode {
 public:
  FloatMode() : before_(get()), now_(before_) {}
  ~FloatMode() { change_to(before_); }
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;
  void set(Subnormals subnormals) { change_to(word_of(subnormals)); }

 private:
  using Word = uint64_t;
  static Word word_of(Subnormals subnormals);
  static Word get();
  static void put(Word word);

  void change_to(Word word) {
    if (word != now_) put(now_ = word);
  }

  Word before_, now_;
};

}  // namespace metal_sgd

#endif  // METAL_SGD_CPU_ARCH_H_
