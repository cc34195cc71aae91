// Stands in for the Metal backend on systems without Metal.
#include "backend.h"
#include "metal.h"

namespace metal_sgd {

Backend* gpu_backend() { return nullptr; }
const std::vector<GpuDevice>& gpu_devices() {
  static const auto* none = new std::vector<GpuDevice>;  // leaked: steps may outlive destructors
  return *none;
}
std::string why_no_gpu() { return "Metal is on macOS alone, and this is another system"; }

}  // namespace metal_sgd
