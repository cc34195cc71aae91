// Which update loops this x86-64 processor can run, except on Macs.
#include "cpuid.h"
#include "loops.h"

namespace metal_sgd {

extern const CpuKernels kBaselineKernels, kAvx2Kernels, kAvx512Kernels;

namespace {

constexpr uint32_t kF16c = 1u << 29;                          // leaf 1, ECX
constexpr uint32_t kAvx2 = 1u << 5;                           // leaf 7, EBX
constexpr uint32_t kAvx512 = 1u << 16 | 1u << 30 | 1u << 31;  // leaf 7, EBX: F, BW, VL
constexpr uint32_t kIntel = 0x756e6547;                 // leaf 0, EBX: "Genu", of GenuineIntel
constexpr uint64_t kYmmSaved = 0x06, kZmmSaved = 0xe6;  // XCR0

template <typename Word>
bool has(Word word, Word bits) {
  return (word & bits) == bits;
}

}  // namespace

const std::vector<const CpuKernels*>& cpu_kernels() {
  static const auto* found = [] {
    auto* list =
        new std::vector<const CpuKernels*>;  // leaked: threads may outlive static destructors
    Cpuid cpu = read_cpuid();
    if (has(cpu.leaf7_ebx, kAvx512) && has(cpu.xcr0, kZmmSaved)) list->push_back(&kAvx512Kernels);
    if (has(cpu.leaf7_ebx, kAvx2) && has(cpu.leaf1_ecx, kF16c) && has(cpu.xcr0, kYmmSaved)) {
      list->push_back(&kAvx2Kernels);
    }
    list->push_back(&kBaselineKernels);
    return list;
  }();
  return *found;
}

bool gains_by_prefetch() {
  static const bool is_intel = read_cpuid().leaf0_ebx == kIntel;
  return is_intel;
}

}  // namespace metal_sgd
