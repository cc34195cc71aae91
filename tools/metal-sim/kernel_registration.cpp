// Makes one compiled kernel text known, before main(). METAL_SIM_BYTES is the text as numbers.
#include "kernel_library.h"

#define METAL_SIM_DECLARE(variant)          \
  namespace METAL_SIM_PREFIX(variant) {     \
  extern const metal_sim::Kernel kernels[]; \
  extern const size_t kernel_count;         \
  }
#define METAL_SIM_JOIN(name, variant) name##_##variant
#define METAL_SIM_JOIN_EXPANDED(name, variant) METAL_SIM_JOIN(name, variant)
#define METAL_SIM_PREFIX(variant) METAL_SIM_JOIN_EXPANDED(METAL_SIM_LIBRARY, variant)

METAL_SIM_DECLARE(traced)
METAL_SIM_DECLARE(plain)
METAL_SIM_DECLARE(contracted)
METAL_SIM_DECLARE(near_zero)

namespace {

const char kSource[] = {
#include METAL_SIM_BYTES
};

[[maybe_unused]] const bool kRegistered = [] {
  static const metal_sim::KernelLibrary library = {
      kSource,
      sizeof kSource,
      METAL_SIM_PREFIX(traced)::kernels,
      METAL_SIM_PREFIX(plain)::kernels,
      METAL_SIM_PREFIX(contracted)::kernels,
      METAL_SIM_PREFIX(near_zero)::kernels,
      METAL_SIM_PREFIX(plain)::kernel_count,
  };
  metal_sim::register_library(&library);
  return true;
}();

}  // namespace
