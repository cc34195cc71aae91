// Stands in for the Metal backend on systems without Metal.
#include "backend.h"
#include "metal.h"

namespace metal_sgd {

Backend* gpu_backend() { return nullptr; }
const std::vector<GpuDevice>& gpu_devices() {
  static const std::vector<GpuDevice> none;
  return none;
}
std::string why_no_gpu() { return "this build of metal-sgd has no Metal backend"; }

}  // namespace metal_sgd
