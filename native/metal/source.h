#ifndef METAL_SGD_METAL_SOURCE_H_
#define METAL_SGD_METAL_SOURCE_H_

namespace metal_sgd {

/// The texts of native/kernels/*.metal with their headers. `cmake/flatten.mjs` writes them at build
/// time.
extern const char sgd_metal_source[];
extern const char general_metal_source[];
extern const char norm_metal_source[];

}  // namespace metal_sgd

#endif  // METAL_SGD_METAL_SOURCE_H_
