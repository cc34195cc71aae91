// Physical cores on Windows.
#include <windows.h>

#include <algorithm>
#include <vector>

#include "cores.h"

namespace metal_sgd {

int physical_cores() {
  DWORD bytes = 0;
  GetLogicalProcessorInformation(nullptr, &bytes);
  std::vector<SYSTEM_LOGICAL_PROCESSOR_INFORMATION> entries(bytes / sizeof entries[0]);
  if (!GetLogicalProcessorInformation(entries.data(), &bytes)) return 1;
  auto cores = std::count_if(entries.begin(), entries.end(), [](const auto& entry) {
    return entry.Relationship == RelationProcessorCore;
  });
  return std::max(1, static_cast<int>(cores));
}

}  // namespace metal_sgd
