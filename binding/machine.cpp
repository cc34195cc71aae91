// Verbs about the machine and the build.
#include <algorithm>

#include "bound_tree.h"
#include "cpu/cpu.h"
#include "environment.h"
#include "metal/metal.h"
#include "system/page_size.h"

namespace metal_sgd {

namespace {

/// Grows whenever a verb or its arguments change. `lib/addon/names.ts` expects this number.
constexpr int kInterface = 10;

template <size_t kCount>
Napi::Array names(Napi::Env env, const char* const (&list)[kCount]) {
  auto found = Napi::Array::New(env, kCount);
  for (uint32_t i = 0; i < kCount; i++) found[i] = Napi::String::New(env, list[i]);
  return found;
}

Napi::Object gpu_object(Napi::Env env, const GpuDevice& gpu) {
  auto object = Napi::Object::New(env);
  object["name"] = Napi::String::New(env, gpu.name);
  object["unifiedMemory"] = Napi::Boolean::New(env, gpu.unified_memory);
  auto number = [&](uint64_t value) { return Napi::Number::New(env, static_cast<double>(value)); };
  object["recommendedWorkingSet"] = number(gpu.recommended_working_set);
  object["maxBufferLength"] = number(gpu.max_buffer_length);
  return object;
}

}  // namespace

/// constants(): { version: string, interface: number, arenaPage: number, itemSizes: number[],
///                dtypes, targets, outcomes, verdicts, nonFinite, roles, settings,
///                gpuErrors: string[] }
/// Every list of names has the order in which the addon numbers them; itemSizes that of dtypes.
Napi::Value constants(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto found = Napi::Object::New(env);
  found["version"] = Napi::String::New(env, METAL_SGD_VERSION);
  found["interface"] = Napi::Number::New(env, kInterface);
  found["arenaPage"] =
      Napi::Number::New(env, static_cast<double>(std::max(kArenaPage, system_page_size())));
  auto sizes = Napi::Array::New(env, kDtypes);
  for (uint32_t i = 0; i < kDtypes; i++) {
    sizes[i] = Napi::Number::New(env, static_cast<double>(item_size(static_cast<Dtype>(i))));
  }
  found["itemSizes"] = sizes;
  found["dtypes"] = names(env, kDtypeNames);
  found["targets"] = names(env, kTargetNames);
  found["outcomes"] = names(env, kOutcomeNames);
  found["roles"] = names(env, kRoleNames);
  found["verdicts"] = names(env, kVerdictNames);
  found["nonFinite"] = names(env, kNonFiniteNames);
  found["settings"] = names(env, kSettingNames);
  found["gpuErrors"] = names(env, kGpuErrorNames);
  return found;
}

/// machine(): { instructionSets: string[], threads: number }
Napi::Value machine(const Napi::CallbackInfo& info) {
  auto names = cpu_instruction_sets();
  auto list = Napi::Array::New(info.Env(), names.size());
  for (uint32_t i = 0; i < names.size(); i++) list[i] = Napi::String::New(info.Env(), names[i]);
  auto found = Napi::Object::New(info.Env());
  found["instructionSets"] = list;
  found["threads"] = Napi::Number::New(info.Env(), cpu_threads());
  return found;
}

/// gpus(): { gpus: Gpu[], whyNoGpu: string } - the one verb here that asks Metal.
Napi::Value gpus(const Napi::CallbackInfo& info) {
  auto found = Napi::Object::New(info.Env());
  const auto& gpus = gpu_devices();
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
