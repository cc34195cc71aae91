// arm64: the floating-point mode is FPCR. All zero is IEEE: nearest even, subnormals kept, NaNs
// propagated.
#include "arch.h"
#include "system/switches.h"

namespace metal_sgd {

/// `yield` does next to nothing on Apple's cores; `isb` waits until the pipeline is empty.
void cpu_pause() {
  if (is_on(Switch::kIsb)) {
    asm volatile("isb");
  } else {
    asm volatile("yield");
  }
}

FloatMode::Word FloatMode::get() {
  Word word;
  asm volatile("mrs %0, fpcr" : "=r"(word));
  return word;
}

void FloatMode::put(Word word) { asm volatile("msr fpcr, %0" : : "r"(word)); }

FloatMode::Word FloatMode::word_of(Subnormals subnormals) {
  constexpr Word kFlushToZero = 1u << 24;
  return subnormals == Subnormals::kFlush ? kFlushToZero : 0;
}

}  // namespace metal_sgd
