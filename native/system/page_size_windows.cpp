#include <windows.h>

#include "page_size.h"

namespace metal_sgd {

size_t system_page_size() {
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return info.dwPageSize;
}

}  // namespace metal_sgd
