// macOS on Apple silicon has only pages of 16 KiB, and Windows gives large ones to administrators.
#include "huge_pages.h"

namespace metal_sgd {

void ask_for_huge_pages(void*, size_t) {}

}  // namespace metal_sgd
