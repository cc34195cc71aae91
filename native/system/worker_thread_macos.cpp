// macOS places threads by their quality of service. Somebody waits for a step: utility and default
// threads may run on efficiency cores, user-initiated ones run on performance cores.
#include <pthread.h>
#include <pthread/qos.h>

#include "worker_thread.h"

namespace metal_sgd {

/// A thread that the system refuses keeps the class of its maker.
void begin_worker_thread() { pthread_set_qos_class_self_np(QOS_CLASS_USER_INITIATED, 0); }

}  // namespace metal_sgd
