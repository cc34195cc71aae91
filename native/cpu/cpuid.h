// Features of an x86-64 processor and its system.
#ifndef METAL_SGD_CPU_CPUID_H_
#define METAL_SGD_CPU_CPUID_H_

#include <cstdint>

namespace metal_sgd {

/// Named as in the manuals; 0 if the processor is too old to report it.
struct Cpuid {
  uint32_t leaf0_ebx;  ///< four letters of the vendor's name
  uint32_t leaf1_ecx;
  uint32_t leaf7_ebx;
  uint64_t xcr0;  ///< the registers that the system saves for each thread
};

Cpuid read_cpuid();

}  // namespace metal_sgd

#endif  // METAL_SGD_CPU_CPUID_H_
