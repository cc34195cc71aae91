#ifndef METAL_SGD_SYSTEM_PAGE_SIZE_H_
#define METAL_SGD_SYSTEM_PAGE_SIZE_H_

#include <cstddef>

namespace metal_sgd {

/// Bytes of the system's memory page.
size_t system_page_size();

}  // namespace metal_sgd

#endif  // METAL_SGD_SYSTEM_PAGE_SIZE_H_
