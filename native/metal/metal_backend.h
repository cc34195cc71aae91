// The Metal backend, as the rest sees it. `no_metal.cpp` stands in where there is no Metal.
#ifndef METAL_SGD_METAL_METAL_BACKEND_H_
#define METAL_SGD_METAL_METAL_BACKEND_H_

#include <string>

namespace metal_sgd {

/// Why no GPU can be used.
std::string why_no_gpu();

}  // namespace metal_sgd

#endif  // METAL_SGD_METAL_METAL_BACKEND_H_
