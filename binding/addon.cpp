// The addon's exports. `lib/addon/native.ts` gives them their types.
#include "environment.h"

namespace metal_sgd {

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Environment);
  exports["addresses"] = Napi::Function::New(env, addresses);
  exports["adjustExternalMemory"] = Napi::Function::New(env, adjust_external_memory);
  exports["askForHugePages"] = Napi::Function::New(env, ask_for_huge_pages);
  exports["constants"] = Napi::Function::New(env, constants);
  exports["machine"] = Napi::Function::New(env, machine);
  exports["setThreads"] = Napi::Function::New(env, set_threads);
  exports["chooseInstructionSet"] = Napi::Function::New(env, choose_instruction_set);
  exports["prepareStep"] = Napi::Function::New(env, prepare_step);
  exports["release"] = Napi::Function::New(env, release);
  exports["step"] = Napi::Function::New(env, step);
  exports["stepAsync"] = Napi::Function::New(env, step_async);
  return exports;
}

NODE_API_MODULE(metal_sgd, init)

}  // namespace metal_sgd
