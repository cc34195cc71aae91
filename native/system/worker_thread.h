// What a thread tells the system before it steps for others.
#ifndef METAL_SGD_SYSTEM_WORKER_THREAD_H_
#define METAL_SGD_SYSTEM_WORKER_THREAD_H_

namespace metal_sgd {

/// Asks the system to keep the calling thread on its fast cores.
void begin_worker_thread();

}  // namespace metal_sgd

#endif  // METAL_SGD_SYSTEM_WORKER_THREAD_H_
