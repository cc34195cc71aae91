// How many threads a step is worth.
#ifndef METAL_SGD_SYSTEM_CORES_H_
#define METAL_SGD_SYSTEM_CORES_H_

namespace metal_sgd {

/// Physical cores that this process may use, without the slow ones of a processor that has two
/// kinds. At least 1. Two hardware threads of one core count once: memory limits an update, not the
/// number of threads.
int physical_cores();

}  // namespace metal_sgd

#endif  // METAL_SGD_SYSTEM_CORES_H_
