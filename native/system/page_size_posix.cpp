#include <unistd.h>

#include "page_size.h"

namespace metal_sgd {

size_t system_page_size() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace metal_sgd
