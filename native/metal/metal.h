// The GPUs of this machine. `none.cpp` stands in where there is no Metal.
#ifndef METAL_SGD_METAL_METAL_H_
#define METAL_SGD_METAL_METAL_H_

#include <cstdint>
#include <string>
#include <vector>

namespace metal_sgd {

struct GpuDevice {
  std::string name;
  uint64_t registry_id;
  bool unified_memory;
  uint64_t recommended_working_set;  ///< bytes
  uint64_t max_buffer_length;        ///< bytes
};

/// The GPU that steps run on, then the others; empty if there is none. Asks the system once.
const std::vector<GpuDevice>& gpu_devices();
/// Why `gpu_devices()` is empty.
std::string why_no_gpu();

}  // namespace metal_sgd

#endif  // METAL_SGD_METAL_METAL_H_
