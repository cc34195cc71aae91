// The addon's exports. `lib/addon/native.ts` gives them their types.
#include "environment.h"
#include "guarded.h"

namespace metal_sgd {

/// A verb whose C++ exceptions become JavaScript errors: one that left it would end the process.
template <auto kVerb>
static auto verb(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return kVerb(info); });
}

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Environment);
  exports["addresses"] = Napi::Function::New(env, verb<addresses>);
  exports["adjustExternalMemory"] = Napi::Function::New(env, verb<adjust_external_memory>);
  exports["askForHugePages"] = Napi::Function::New(env, verb<ask_for_huge_pages>);
  exports["copyElements"] = Napi::Function::New(env, verb<copy_elements>);
  exports["constants"] = Napi::Function::New(env, verb<constants>);
  exports["firstNotFinite"] = Napi::Function::New(env, verb<first_not_finite>);
  exports["globalNorm"] = Napi::Function::New(env, verb<global_norm>);
  exports["machine"] = Napi::Function::New(env, verb<machine>);
  exports["gpus"] = Napi::Function::New(env, verb<gpus>);
  exports["setThreads"] = Napi::Function::New(env, verb<set_threads>);
  exports["chooseInstructionSet"] = Napi::Function::New(env, verb<choose_instruction_set>);
  exports["newChoices"] = Napi::Function::New(env, verb<new_choices>);
  exports["prepareStep"] = Napi::Function::New(env, verb<prepare_step>);
  exports["prepareSum"] = Napi::Function::New(env, verb<prepare_sum>);
  exports["release"] = Napi::Function::New(env, verb<release>);
  exports["step"] = Napi::Function::New(env, verb<step>);
  exports["stepAsync"] = Napi::Function::New(env, verb<step_async>);
  exports["worldJoin"] = Napi::Function::New(env, verb<world_join>);
  exports["worldGather"] = Napi::Function::New(env, verb<world_gather>);
  exports["worldSum"] = Napi::Function::New(env, verb<world_sum>);
  exports["worldBroadcast"] = Napi::Function::New(env, verb<world_broadcast>);
  exports["worldLeave"] = Napi::Function::New(env, verb<world_leave>);
  return exports;
}

NODE_API_MODULE(metal_sgd, init)

}  // namespace metal_sgd
