#ifndef METAL_SGD_METAL_SOURCE_H_
#define METAL_SGD_METAL_SOURCE_H_

namespace metal_sgd {

/// The text of the kernels with their headers. `cmake/flatten.mjs` writes it at build time.
extern const char sgd_metal_source[];

}  // namespace metal_sgd

#endif  // METAL_SGD_METAL_SOURCE_H_
