// The promises of one environment for steps on the step queue. No libuv: completion comes back
// through a Node-API thread-safe function.
#ifndef METAL_SGD_BINDING_ASYNC_STEPS_H_
#define METAL_SGD_BINDING_ASYNC_STEPS_H_

#include <napi.h>

#include "bound_tree.h"

namespace metal_sgd {

class AsyncSteps {
 public:
  /// Queues one step with the present settings. Keeps `keep`, which holds the arrays, until it is
  /// done.
  Napi::Promise start(Napi::Env env, SharedTree tree, Napi::Object keep);

 private:
  struct Job;
  static void settle(Napi::Env env, Napi::Function, AsyncSteps* steps, Job* back);
  using Completion = Napi::TypedThreadSafeFunction<AsyncSteps, Job, settle>;

  void open(Napi::Env env);
  static void finish(void* steps);

  Completion completion_;
  bool open_ = false;
  size_t pending_ = 0;  // JavaScript thread only
};

}  // namespace metal_sgd

#endif  // METAL_SGD_BINDING_ASYNC_STEPS_H_
