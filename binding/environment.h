// What the addon keeps per environment (main thread or worker), and the table of its verbs.
#ifndef METAL_SGD_BINDING_ENVIRONMENT_H_
#define METAL_SGD_BINDING_ENVIRONMENT_H_

#include <napi.h>

#include "async_steps.h"

namespace metal_sgd {

struct Environment {
  AsyncSteps async_steps;
};

Napi::Value addresses(const Napi::CallbackInfo& info);
void adjust_external_memory(const Napi::CallbackInfo& info);
void ask_for_huge_pages(const Napi::CallbackInfo& info);
void copy_elements(const Napi::CallbackInfo& info);
Napi::Value constants(const Napi::CallbackInfo& info);
Napi::Value machine(const Napi::CallbackInfo& info);
Napi::Value gpus(const Napi::CallbackInfo& info);
void set_threads(const Napi::CallbackInfo& info);
void choose_instruction_set(const Napi::CallbackInfo& info);
Napi::Value new_choices(const Napi::CallbackInfo& info);
Napi::Value prepare_step(const Napi::CallbackInfo& info);
Napi::Value first_not_finite(const Napi::CallbackInfo& info);
Napi::Value global_norm(const Napi::CallbackInfo& info);
Napi::Value prepare_sum(const Napi::CallbackInfo& info);
void release(const Napi::CallbackInfo& info);
void step(const Napi::CallbackInfo& info);
Napi::Value step_async(const Napi::CallbackInfo& info);
Napi::Value world_join(const Napi::CallbackInfo& info);
Napi::Value world_gather(const Napi::CallbackInfo& info);
Napi::Value world_sum(const Napi::CallbackInfo& info);
Napi::Value world_broadcast(const Napi::CallbackInfo& info);
Napi::Value world_leave(const Napi::CallbackInfo& info);

}  // namespace metal_sgd

#endif  // METAL_SGD_BINDING_ENVIRONMENT_H_
