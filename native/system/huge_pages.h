#ifndef METAL_SGD_SYSTEM_HUGE_PAGES_H_
#define METAL_SGD_SYSTEM_HUGE_PAGES_H_

#include <cstddef>

namespace metal_sgd {

/// Asks the system to back these bytes with huge pages when they are first touched. It may not.
void ask_for_huge_pages(void* begin, size_t bytes);

}  // namespace metal_sgd

#endif  // METAL_SGD_SYSTEM_HUGE_PAGES_H_
