// CPUID for GCC and Clang. Not __builtin_cpu_supports: its tables are in the compiler's runtime,
// and zig's has them empty.
#include <cpuid.h>

#include "cpuid.h"

namespace metal_sgd {

Cpuid read_cpuid() {
  unsigned eax, ebx, ecx, edx;
  Cpuid found{};
  if (__get_cpuid(0, &eax, &ebx, &ecx, &edx)) found.leaf0_ebx = ebx;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx)) found.leaf1_ecx = ecx;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) found.leaf7_ebx = ebx;
  if (found.leaf1_ecx & bit_OSXSAVE) {
    asm("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    found.xcr0 = uint64_t{edx} << 32 | eax;
  }
  return found;
}

}  // namespace metal_sgd
