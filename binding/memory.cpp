// Verbs about memory.
#include "environment.h"
#include "system/huge_pages.h"
#include "view.h"

namespace metal_sgd {

/// addresses(views: TypedArray[]): Float64Array - the address of each view's first element.
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

/// adjustExternalMemory(bytes: number) - tells V8's collector about shared memory, which it does
/// not count.
void adjust_external_memory(const Napi::CallbackInfo& info) {
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), info[0].As<Napi::Number>().Int64Value());
}

/// askForHugePages(memory: Float64Array)
void ask_for_huge_pages(const Napi::CallbackInfo& info) {
  View memory = view_of(info[0]);
  ask_for_huge_pages(memory.data, memory.length * sizeof(double));
}

}  // namespace metal_sgd
