// The one shape in which squares are summed, whatever the threads, vectors and devices: see
// docs/gradients.md. Plain C++.
#ifndef METAL_SGD_KERNELS_NORM_SHAPE_H_
#define METAL_SGD_KERNELS_NORM_SHAPE_H_

// A block has rows of lanes. Each lane adds its column, from the first row on; then the lanes are
// added by halves. The sums of all blocks, in order, are summed likewise until one is left.
#define SGD_NORM_LANES 32
#define SGD_NORM_BLOCK 4096

/// Blocks of so many numbers.
#define SGD_NORM_BLOCKS(count) (((count) + SGD_NORM_BLOCK - 1) / SGD_NORM_BLOCK)

#ifdef __METAL_VERSION__
#define SGD_THREAD thread
#else
#define SGD_THREAD
#endif

// Of constant length: of loops around it compilers make slow code.
#define SGD_ADD_HALF(lanes, half) \
  for (int j = 0; j < half; j++) lanes[j] = lanes[j] + lanes[j + half];

/// The sum of the lanes, by halves; writes them. `static`: files compiled for different instruction
/// sets must never share one copy.
template <typename Real>
static inline Real add_lanes(SGD_THREAD Real* lanes) {
  SGD_ADD_HALF(lanes, SGD_NORM_LANES / 2)
  SGD_ADD_HALF(lanes, SGD_NORM_LANES / 4)
  SGD_ADD_HALF(lanes, SGD_NORM_LANES / 8)
  SGD_ADD_HALF(lanes, SGD_NORM_LANES / 16)
  SGD_ADD_HALF(lanes, SGD_NORM_LANES / 32)
  return lanes[0];
}

#endif  // METAL_SGD_KERNELS_NORM_SHAPE_H_
