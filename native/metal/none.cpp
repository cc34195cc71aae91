// Stands in for the Metal backend on systems that have no Metal.
#include "metal.h"

namespace metal_sgd {

namespace {

[[noreturn]] void refuse() { throw MetalFailure("device-lost", why_no_gpu()); }

}  // namespace

std::vector<GpuDevice> gpu_devices() { return {}; }
std::string why_no_gpu() { return "this build of metal-sgd has no Metal backend"; }
std::unique_ptr<GpuStep> prepare_gpu_step(const std::vector<GpuRun>&) { refuse(); }
void make_gpu_ready(const std::vector<Dtype>&) { refuse(); }
double gpu_crossover_bytes() { refuse(); }

}  // namespace metal_sgd
