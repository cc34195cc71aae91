// Verbs about memory.
#include "cpu/copies.h"
#include "cpu/norm.h"
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

/// copyElements(targets: TypedArray[], sources: TypedArray[], dtypes: Uint8Array) - two dtypes for
/// each leaf: the target's and the source's.
void copy_elements(const Napi::CallbackInfo& info) {
  auto targets = info[0].As<Napi::Array>(), sources = info[1].As<Napi::Array>();
  auto dtypes = info[2].As<Napi::Uint8Array>();
  std::vector<Copy> copies;
  for (uint32_t i = 0; i < targets.Length(); i++) {
    Napi::HandleScope scope(info.Env());
    View to = view_of(targets[i]), from = view_of(sources[i]);
    size_t last = 2 * size_t{i} + 1;
    if (to.length != from.length || last >= dtypes.ElementLength() || dtypes[last - 1] >= kDtypes ||
        dtypes[last] >= kDtypes) {
      throw Napi::Error::New(info.Env(), "leaves of unequal length");
    }
    Stream target{to.data, static_cast<Dtype>(dtypes[last - 1])};
    Stream source{from.data, static_cast<Dtype>(dtypes[last])};
    copies.push_back({target, source, to.length});
  }
  copy_elements(copies);
}

/// globalNorm(arrays: TypedArray[], dtypes: Uint8Array, flushSubnormals: boolean): number
Napi::Value global_norm(const Napi::CallbackInfo& info) {
  auto arrays = info[0].As<Napi::Array>();
  auto dtypes = info[1].As<Napi::Uint8Array>();
  Subnormals subnormals = info[2].As<Napi::Boolean>() ? Subnormals::kFlush : Subnormals::kKeep;
  std::vector<LeafGradients> leaves;
  for (uint32_t i = 0; i < arrays.Length(); i++) {
    Napi::HandleScope scope(info.Env());
    if (i >= dtypes.ElementLength() || dtypes[i] >= kDtypes)
      throw Napi::Error::New(info.Env(), "arrays without a dtype");
    View view = view_of(arrays[i]);
    leaves.push_back({{{view.data, static_cast<Dtype>(dtypes[i])}}, view.length});
  }
  return Napi::Number::New(info.Env(), global_norm(std::move(leaves), subnormals));
}

}  // namespace metal_sgd
