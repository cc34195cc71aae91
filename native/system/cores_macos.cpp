// Physical cores on macOS.
#include <sys/sysctl.h>

#include <cstddef>

#include "cores.h"

namespace metal_sgd {

int physical_cores() {
  int cores = 0;
  size_t size = sizeof cores;
  return sysctlbyname("hw.physicalcpu", &cores, &size, nullptr, 0) == 0 && cores > 0 ? cores : 1;
}

}  // namespace metal_sgd
