// Verbs about memory and the machine.
#include "cpu/cpu.h"
#include "environment.h"
#include "system/huge_pages.h"
#include "metal/metal.h"
#include "system/page_size.h"
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

/// askForHugePages(memory: Float64Array)
void ask_for_huge_pages(const Napi::CallbackInfo& info) {
  View memory = view_of(info[0]);
  ask_for_huge_pages(memory.data, memory.length * sizeof(double));
}

static Napi::Object gpu_object(Napi::Env env, const GpuDevice& gpu) {
  auto object = Napi::Object::New(env);
  object["name"] = Napi::String::New(env, gpu.name);
  object["unifiedMemory"] = Napi::Boolean::New(env, gpu.unified_memory);
  auto number = [&](uint64_t value) { return Napi::Number::New(env, static_cast<double>(value)); };
  object["recommendedWorkingSet"] = number(gpu.recommended_working_set);
  object["maxBufferLength"] = number(gpu.max_buffer_length);
  return object;
}

/// machine(): { instructionSets: string[], threads: number, pageSize: number, gpus: Gpu[],
///              whyNoGpu: string }
Napi::Value machine(const Napi::CallbackInfo& info) {
  auto names = cpu_instruction_sets();
  auto list = Napi::Array::New(info.Env(), names.size());
  for (uint32_t i = 0; i < names.size(); i++) list[i] = Napi::String::New(info.Env(), names[i]);
  auto found = Napi::Object::New(info.Env());
  found["instructionSets"] = list;
  found["threads"] = Napi::Number::New(info.Env(), cpu_threads());
  found["pageSize"] = Napi::Number::New(info.Env(), static_cast<double>(system_page_size()));
  auto gpus = gpu_devices();
  auto listed = Napi::Array::New(info.Env(), gpus.size());
  for (uint32_t i = 0; i < gpus.size(); i++) listed[i] = gpu_object(info.Env(), gpus[i]);
  found["gpus"] = listed;
  found["whyNoGpu"] = Napi::String::New(info.Env(), gpus.empty() ? why_no_gpu() : "");
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
