// The one shape in which squares are summed, whatever the threads, vectors and devices: see
// docs/gradients.md. Plain C++ that is valid Metal too.
#ifndef METAL_SGD_KERNELS_NORM_SHAPE_H_
#define METAL_SGD_KERNELS_NORM_SHAPE_H_

// A block has rows of lanes. Each lane adds its column, from the first row on; then the lanes are
// added by halves. The sums of all blocks, in order, are summed likewise until one is left.
#define SGD_NORM_LANES 32
#define SGD_NORM_BLOCK 4096

#endif  // METAL_SGD_KERNELS_NORM_SHAPE_H_
