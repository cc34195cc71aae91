// Performance cores on macOS. A share of a step waits for the slowest thread, and an efficiency
// core moves a fraction of what a performance core does.
#include <sys/sysctl.h>

#include <cstddef>

#include "cores.h"

namespace metal_sgd {

namespace {

/// 0 where this Mac does not know the name: those with Intel's processors have no levels.
int count_of(const char* name) {
  int cores = 0;
  size_t size = sizeof cores;
  return sysctlbyname(name, &cores, &size, nullptr, 0) == 0 && cores > 0 ? cores : 0;
}

}  // namespace

int physical_cores() {
  if (int fast = count_of("hw.perflevel0.physicalcpu")) return fast;
  if (int all = count_of("hw.physicalcpu")) return all;
  return 1;
}

}  // namespace metal_sgd
