// Linux gives transparent huge pages on request if /sys/kernel/mm/transparent_hugepage/enabled says
// `madvise`.
#include <sys/mman.h>

#include <cstdint>

#include "huge_pages.h"

namespace metal_sgd {

/// Whole huge pages only, so that no memory beside these bytes is affected. A kernel without huge
/// pages refuses, and nothing changes.
void ask_for_huge_pages(void* begin, size_t bytes) {
  constexpr uintptr_t kHugePage = 2 << 20;
  uintptr_t start = reinterpret_cast<uintptr_t>(begin);
  uintptr_t first = (start + kHugePage - 1) / kHugePage * kHugePage;
  uintptr_t end = (start + bytes) / kHugePage * kHugePage;
  if (first < end) madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);
}

}  // namespace metal_sgd
