// The simulator's controls (tools/metal-sim/sim_control.h) as a Node-API addon, for tests only.
#include <dlfcn.h>
#include <napi.h>
#include <sim_control.h>

#include <cstdlib>
#include <string>

namespace {

void* simulator = nullptr;  // the handle of the addon that holds the simulator

template <typename Function>
Function* find(Napi::Env env, const char* name) {
  void* symbol = simulator ? dlsym(simulator, name) : nullptr;
  if (!symbol) throw Napi::Error::New(env, std::string("no simulator is open: ") + name);
  return reinterpret_cast<Function*>(symbol);
}

/// open(path: string) - the loaded addon's own file.
void open(const Napi::CallbackInfo& info) {
  simulator = dlopen(info[0].As<Napi::String>().Utf8Value().c_str(), RTLD_NOW | RTLD_NOLOAD);
  if (!simulator) throw Napi::Error::New(info.Env(), "that addon is not loaded");
}

/// configure(settings: string) - JSON; throws if the simulator refuses it.
void configure(const Napi::CallbackInfo& info) {
  auto* call = find<decltype(metal_sim_configure)>(info.Env(), "metal_sim_configure");
  char* refusal = call(info[0].As<Napi::String>().Utf8Value().c_str());
  if (!refusal) return;
  std::string text = refusal;
  std::free(refusal);
  throw Napi::Error::New(info.Env(), text);
}

void reset_settings(const Napi::CallbackInfo& info) {
  find<decltype(metal_sim_reset_settings)>(info.Env(), "metal_sim_reset_settings")();
}

/// counters(): string - JSON.
Napi::Value counters(const Napi::CallbackInfo& info) {
  char* json = find<decltype(metal_sim_counters)>(info.Env(), "metal_sim_counters")();
  auto text = Napi::String::New(info.Env(), json);
  std::free(json);
  return text;
}

void reset_counters(const Napi::CallbackInfo& info) {
  find<decltype(metal_sim_reset_counters)>(info.Env(), "metal_sim_reset_counters")();
}

void drain(const Napi::CallbackInfo& info) {
  find<decltype(metal_sim_drain)>(info.Env(), "metal_sim_drain")();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports["open"] = Napi::Function::New(env, open);
  exports["configure"] = Napi::Function::New(env, configure);
  exports["resetSettings"] = Napi::Function::New(env, reset_settings);
  exports["counters"] = Napi::Function::New(env, counters);
  exports["resetCounters"] = Napi::Function::New(env, reset_counters);
  exports["drain"] = Napi::Function::New(env, drain);
  return exports;
}

NODE_API_MODULE(sim_control, init)

}  // namespace
