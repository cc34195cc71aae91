// Verbs about memory and the machine.
#include "cpu/cpu_backend.h"
#include "environment.h"
#include "metal/metal_backend.h"
#include "page_size.h"
#include "view.h"

namespace metal_sgd {

View view_of(const Napi::Value& value) {
  void* data = nullptr;
  size_t length = 0;
  napi_status status =
      napi_get_typedarray_info(value.Env(), value, nullptr, &length, &data, nullptr, nullptr);
  if (status != napi_ok) throw Napi::TypeError::New(value.Env(), "not a typed array");
  return {static_cast<char*>(data), length};
}

/// addresses(views: TypedArray[]): Float64Array - where each view's first element lies.
Napi::Value addresses(const Napi::CallbackInfo& info) {
  auto views = info[0].As<Napi::Array>();
  auto found = Napi::Float64Array::New(info.Env(), views.Length());
  for (uint32_t i = 0; i < views.Length(); i++) {
    Napi::HandleScope scope(info.Env());
    Napi::Value view = views[i];
    found[i] = static_cast<double>(reinterpret_cast<uintptr_t>(view_of(view).data));
  }
  return found;
}

/// adjustExternalMemory(bytes: number) - tells V8's collector of shared memory it doesn't count.
void adjust_external_memory(const Napi::CallbackInfo& info) {
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), info[0].As<Napi::Number>().Int64Value());
}

/// machine(): { instructionSets: string[], threads: number, pageSize: number, gpu: { reason: string
/// } }
Napi::Value machine(const Napi::CallbackInfo& info) {
  auto names = cpu_instruction_sets();
  auto list = Napi::Array::New(info.Env(), names.size());
  for (uint32_t i = 0; i < names.size(); i++) list[i] = Napi::String::New(info.Env(), names[i]);
  auto found = Napi::Object::New(info.Env());
  found["instructionSets"] = list;
  found["threads"] = Napi::Number::New(info.Env(), cpu_threads());
  found["pageSize"] = Napi::Number::New(info.Env(), static_cast<double>(system_page_size()));
  auto gpu = Napi::Object::New(info.Env());
  gpu["reason"] = Napi::String::New(info.Env(), why_no_gpu());
  found["gpu"] = gpu;
  return found;
}

/// setThreads(count: number)
void set_threads(const Napi::CallbackInfo& info) {
  set_cpu_threads(info[0].As<Napi::Number>().Int32Value());
}

/// chooseInstructionSet(name: string)
void choose_instruction_set(const Napi::CallbackInfo& info) {
  if (choose_cpu_instruction_set(info[0].As<Napi::String>())) return;
  throw Napi::RangeError::New(info.Env(), "no such instruction set on this processor");
}

}  // namespace metal_sgd
