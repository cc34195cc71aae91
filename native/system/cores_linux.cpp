// Physical cores on Linux: distinct sibling lists among the processors of our affinity mask.
#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "cores.h"

namespace metal_sgd {

namespace {

/// The system's list of processors that share a core with this one, as text.
std::optional<std::string> siblings_of(const std::string& cpu) {
  // Not a stream: published binaries contain their C++ library, and its locales would double them.
  std::string path = "/sys/devices/system/cpu/cpu" + cpu + "/topology/thread_siblings_list";
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (!file) return {};
  char line[4096];
  bool read = std::fgets(line, sizeof line, file) != nullptr;
  std::fclose(file);
  return read ? std::optional<std::string>(line) : std::nullopt;
}

}  // namespace

int physical_cores() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }
  std::set<std::string> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    std::string number = std::to_string(cpu);
    cores.insert(siblings_of(number).value_or("only " + number));
  }
  return std::max(1, static_cast<int>(cores.size()));
}

}  // namespace metal_sgd
