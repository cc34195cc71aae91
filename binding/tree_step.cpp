// Verbs that prepare and run steps on the calling thread.
#include "tree_step.h"

#include <algorithm>

#include "cpu/cpu_backend.h"
#include "environment.h"
#include "view.h"

namespace metal_sgd {

TreeStep::TreeStep(const std::vector<Run>& runs, const double* settings)
    : cpu_(prepare_cpu_step(runs)),
      settings_(settings),
      has_velocity_(std::all_of(runs.begin(), runs.end(),
                                [](const Run& run) { return run.velocity != nullptr; })) {}

Hyperparameters TreeStep::hyperparameters() const {
  return {settings_[kLearningRate], settings_[kMomentum], settings_[kWeightDecay],
          settings_[kDampening], settings_[kNesterov] != 0};
}

Subnormals TreeStep::subnormals() const {
  return settings_[kFlushSubnormals] != 0 ? Subnormals::kFlush : Subnormals::kKeep;
}

bool TreeStep::has_what_it_needs() const { return has_velocity_ || !(settings_[kMomentum] > 0); }

void TreeStep::run(const Hyperparameters& given, Subnormals subnormals) {
  cpu_->run(given, subnormals);
}

SharedTreeStep& tree_step_of(const Napi::Value& external) {
  return *external.As<Napi::External<SharedTreeStep>>().Data();
}

namespace {

/// The leaf at index i of the three lists, checked for what could corrupt memory.
Run leaf_of(const Napi::Value& parameter, const Napi::Value& gradient, const Napi::Value& velocity,
            uint8_t dtype) {
  View w = view_of(parameter), g = view_of(gradient);
  View v = velocity.IsNull() ? View{nullptr, w.length} : view_of(velocity);
  if (dtype >= kDtypes || g.length != w.length || v.length != w.length) {
    throw Napi::Error::New(parameter.Env(), "leaves of unequal length");
  }
  return {w.data, g.data, v.data, w.length, static_cast<Dtype>(dtype)};
}

/// Grows `run` by `leaf` if it begins the same gap of whole elements further on in all streams.
bool join(Run& run, const Run& leaf) {
  size_t item = item_size(run.dtype);
  auto gap = [&](const void* from, const void* to) {
    return static_cast<const char*>(to) - static_cast<const char*>(from);
  };
  ptrdiff_t distance = gap(run.parameter, leaf.parameter);
  bool same = leaf.dtype == run.dtype && distance == gap(run.gradient, leaf.gradient) &&
              (run.velocity == nullptr) == (leaf.velocity == nullptr) &&
              (run.velocity == nullptr || distance == gap(run.velocity, leaf.velocity));
  if (!same || distance < static_cast<ptrdiff_t>(run.count * item) || distance % item != 0) {
    return false;
  }
  run.count = distance / item + leaf.count;
  return true;
}

}  // namespace

/// prepareStep(parameters, gradients: TypedArray[], velocities: (TypedArray | null)[],
///             dtypes: Uint8Array, joined: Uint8Array, settings: Float64Array): External
/// joined[i] is 1 where only padding lies between leaf i - 1 and leaf i, in all three.
Napi::Value prepare_step(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto parameters = info[0].As<Napi::Array>(), gradients = info[1].As<Napi::Array>(),
       velocities = info[2].As<Napi::Array>();
  auto dtypes = info[3].As<Napi::Uint8Array>(), joined = info[4].As<Napi::Uint8Array>();
  View settings = view_of(info[5]);
  uint32_t count = parameters.Length();
  if (dtypes.ElementLength() != count || joined.ElementLength() != count ||
      settings.length < kSettings) {
    throw Napi::Error::New(env, "prepareStep: lists of unequal length");
  }
  std::vector<Run> runs;
  for (uint32_t i = 0; i < count; i++) {
    Napi::HandleScope scope(env);
    Run leaf = leaf_of(parameters[i], gradients[i], velocities[i], dtypes[i]);
    if (leaf.count == 0) continue;
    if (!(joined[i] && !runs.empty() && join(runs.back(), leaf))) runs.push_back(leaf);
  }
  auto tree = std::make_unique<SharedTreeStep>(
      std::make_shared<TreeStep>(runs, reinterpret_cast<const double*>(settings.data)));
  return Napi::External<SharedTreeStep>::New(env, tree.release(),
                                             [](Napi::Env, SharedTreeStep* data) { delete data; });
}

/// step(tree: External) - one step in place, with the numbers that stand in its settings now.
void step(const Napi::CallbackInfo& info) {
  TreeStep& tree = *tree_step_of(info[0]);
  if (!tree.has_what_it_needs()) throw Napi::Error::New(info.Env(), "momentum without velocity");
  tree.run(tree.hyperparameters(), tree.subnormals());
}

}  // namespace metal_sgd
