// How many physical cores this process may use.
#ifndef METAL_SGD_SYSTEM_CORES_H_
#define METAL_SGD_SYSTEM_CORES_H_

namespace metal_sgd {

/// At least 1. Two hardware threads of one core count once: memory limits an update, not the number
/// of threads.
int physical_cores();

}  // namespace metal_sgd

#endif  // METAL_SGD_SYSTEM_CORES_H_
