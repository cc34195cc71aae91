// The system treats all threads alike.
#include "worker_thread.h"

namespace metal_sgd {

void begin_worker_thread() {}

}  // namespace metal_sgd
