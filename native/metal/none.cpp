// Stands in for the Metal backend on systems without Metal.
#include "backend.h"
#include "metal.h"

namespace metal_sgd {

Backend* gpu_backend() { return nullptr; }
const std::vector<GpuDevice>& gpu_devices() {
  static const auto* none = new std::vector<GpuDevice>;  // leaked: steps may outlive destructors
  return *none;
}
std::string why_no_gpu() { return "this build of metal-sgd has no Metal backend"; }

}  // namespace metal_sgd
