// x86-64: the floating-point mode is MXCSR.
#include <xmmintrin.h>

#include "arch.h"

namespace metal_sgd {

void cpu_pause() { _mm_pause(); }

/// Without the exception flags, which nobody reads.
FloatMode::Word FloatMode::get() { return _mm_getcsr() & ~Word{_MM_EXCEPT_MASK}; }
void FloatMode::put(Word word) { _mm_setcsr(static_cast<unsigned>(word)); }

FloatMode::Word FloatMode::word_of(Subnormals subnormals) {
  constexpr Word kPlain = 0x1f80, kFlushToZero = 0x8000, kSubnormalsAreZero = 0x0040;
  return subnormals == Subnormals::kFlush ? kPlain | kFlushToZero | kSubnormalsAreZero : kPlain;
}

}  // namespace metal_sgd
