// Verbs that prepare and run steps on the calling thread.
#include "bound_tree.h"

#include <algorithm>

#include "environment.h"
#include "view.h"

namespace metal_sgd {

StepSettings BoundTree::read(Napi::Env env) const {
  if (settings[kMomentum] > 0 && !tree.has_velocity())
    throw Napi::Error::New(env, "momentum without velocity");
  return {{settings[kLearningRate], settings[kMomentum], settings[kWeightDecay],
           settings[kDampening], settings[kNesterov] != 0},
          settings[kFlushSubnormals] != 0 ? Subnormals::kFlush : Subnormals::kKeep};
}

void BoundTree::report(const StepReport& report) const {
  settings[kRan] = static_cast<double>(report.ran);
  settings[kCopiedBytes] = static_cast<double>(report.copied_bytes);
  settings[kGpuSeconds] = report.gpu_seconds;
}

SharedTree& tree_of(const Napi::Value& external) {
  SharedTree& tree = *external.As<Napi::External<SharedTree>>().Data();
  if (!tree) throw Napi::Error::New(external.Env(), "the prepared tree was released");
  return tree;
}

Napi::Error metal_error(Napi::Env env, const MetalFailure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.what());
  error.Set("code", Napi::String::New(env, failure.code));
  return error;
}

namespace {

/// The leaf at index i of the three lists, of one length; that its arrays fit the dtype lib has
/// checked.
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

std::vector<Arena> arenas_of(const Napi::Array& given) {
  std::vector<Arena> arenas;
  for (uint32_t i = 0; i < given.Length(); i++) {
    Napi::HandleScope scope(given.Env());
    Napi::Object arena = given.Get(i).As<Napi::Object>();
    bool exact;
    uint64_t id = arena.Get("id").As<Napi::BigInt>().Uint64Value(&exact);
    View pages = view_of(arena.Get("pages"));
    arenas.push_back({id, pages.data, pages.length * sizeof(double)});
  }
  return arenas;
}

/// The arena of that index if the address lies in it; null for -1.
const Arena* arena_at(const std::vector<Arena>& arenas, int32_t index, const void* address) {
  if (index < 0 || static_cast<size_t>(index) >= arenas.size()) return nullptr;
  const Arena& arena = arenas[index];
  const char* byte = static_cast<const char*>(address);
  return byte >= arena.pages && byte < arena.pages + arena.bytes ? &arena : nullptr;
}

}  // namespace

/// prepareStep(parameters, gradients: TypedArray[], velocities: (TypedArray | null)[], dtypes:
/// Uint8Array,
///             joined: Uint8Array, settings: Float64Array, target: number,
///             arenas: { id: bigint, pages: Float64Array }[], places: Int32Array): External
/// joined[i] is 1 where only padding lies between leaf i - 1 and leaf i, in all three. places
/// holds, for each leaf, the indices of its parameter's, gradient's and velocity's arenas; -1 for
/// other memory.
Napi::Value prepare_step(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto parameters = info[0].As<Napi::Array>(), gradients = info[1].As<Napi::Array>(),
       velocities = info[2].As<Napi::Array>();
  auto dtypes = info[3].As<Napi::Uint8Array>(), joined = info[4].As<Napi::Uint8Array>();
  View settings = view_of(info[5]);
  std::vector<Arena> arenas = arenas_of(info[7].As<Napi::Array>());
  auto places = info[8].As<Napi::Int32Array>();
  uint32_t count = parameters.Length();
  if (dtypes.ElementLength() != count || joined.ElementLength() != count ||
      places.ElementLength() != count * size_t{3} || settings.length < kSettings) {
    throw Napi::Error::New(env, "prepareStep: lists of unequal length");
  }
  std::vector<GpuRun> runs;
  bool linked = true;  // padding alone since the last run; empty leaves in between don't hide a gap
  for (uint32_t i = 0; i < count; i++) {
    Napi::HandleScope scope(env);
    Run leaf = leaf_of(parameters[i], gradients[i], velocities[i], dtypes[i]);
    linked = linked && joined[i] != 0;
    if (leaf.count == 0) continue;
    if (linked && !runs.empty() && join(runs.back().run, leaf)) continue;
    linked = true;
    runs.push_back({leaf, arena_at(arenas, places[3 * i], leaf.parameter),
                    arena_at(arenas, places[3 * i + 1], leaf.gradient),
                    arena_at(arenas, places[3 * i + 2], leaf.velocity)});
  }
  auto target = static_cast<Target>(info[6].As<Napi::Number>().Uint32Value());
  try {
    auto tree = std::make_unique<SharedTree>(
        new BoundTree{TreeStep(runs, target), reinterpret_cast<double*>(settings.data)});
    return Napi::External<SharedTree>::New(env, tree.release(),
                                           [](Napi::Env, SharedTree* data) { delete data; });
  } catch (const MetalFailure& failure) {
    throw metal_error(env, failure);
  }
}

/// release(tree: External) - the wrappers of its arenas go now, not when the collector comes by:
/// until then dead memory would stay wired.
void release(const Napi::CallbackInfo& info) {
  info[0].As<Napi::External<SharedTree>>().Data()->reset();
}

/// step(tree: External) - one step in place, with the numbers that stand in its settings now.
void step(const Napi::CallbackInfo& info) {
  BoundTree& tree = *tree_of(info[0]);
  StepSettings settings = tree.read(info.Env());
  try {
    tree.report(tree.tree.run(settings));
  } catch (const MetalFailure& failure) {
    throw metal_error(info.Env(), failure);
  }
}

}  // namespace metal_sgd
