// Stands in for the Metal backend on systems without Metal.
#include "backend.h"
#include "metal.h"

namespace metal_sgd {

Backend* gpu_backend() { return nullptr; }
std::vector<GpuDevice> gpu_devices() { return {}; }
std::string why_no_gpu() { return "this build of metal-sgd has no Metal backend"; }

}  // namespace metal_sgd
