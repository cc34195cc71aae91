// Stands in for the Metal backend on systems that have no Metal.
#include "metal_backend.h"

namespace metal_sgd {

std::string why_no_gpu() { return "this build of metal-sgd has no Metal backend"; }

}  // namespace metal_sgd
