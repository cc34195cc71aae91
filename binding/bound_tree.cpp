// Verbs that prepare trees and step them on the calling thread.
#include "bound_tree.h"

#include "environment.h"
#include "spans.h"
#include "view.h"

namespace metal_sgd {

StepSettings BoundTree::read(Napi::Env env) const {
  if (pending.load(std::memory_order_acquire))
    throw Napi::Error::New(env, "a step of this tree is pending");
  StepSettings read{row(0),
                    settings[kFlushSubnormals] != 0 ? Subnormals::kFlush : Subnormals::kKeep};
  for (size_t group = 1; group <= groups; group++) read.groups.push_back(row(group));
  for (size_t group = 0; group <= groups; group++) {
    if (read.of(group).momentum > 0 && !tree.has_velocity(group))
      throw Napi::Error::New(env, "momentum without velocity");
  }
  return read;
}

Hyperparameters BoundTree::row(size_t group) const {
  const double* columns = settings + group * kSettings;
  return {columns[kLearningRate], columns[kMomentum], columns[kWeightDecay], columns[kDampening],
          columns[kNesterov] != 0};
}

void BoundTree::report(const StepReport& report) const {
  settings[kOutcome] = static_cast<double>(report.outcome);
  settings[kCopiedBytes] = static_cast<double>(report.device.copied_bytes);
  settings[kGpuSeconds] = report.device.gpu_seconds;
}

SharedTree& tree_of(const Napi::Value& external) {
  SharedTree& tree = *external.As<Napi::External<SharedTree>>().Data();
  if (!tree) throw Napi::Error::New(external.Env(), "the prepared tree was released");
  return tree;
}

namespace {

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

/// The arguments of `prepareStep` that describe leaves.
struct Leaves {
  Napi::Array parameters, gradients, velocities;
  Napi::Uint8Array dtypes;
  Napi::Int32Array places;
  Napi::Uint8Array groups;
  const std::vector<Arena>& arenas;

  bool are_complete() const {
    uint32_t count = parameters.Length();
    return gradients.Length() == count && velocities.Length() == count &&
           dtypes.ElementLength() == count && groups.ElementLength() == count &&
           places.ElementLength() == count * kPlaceNumbers;
  }

  PlacedLeaf at(uint32_t index) const {
    Napi::HandleScope scope(parameters.Env());
    Dtype dtype = static_cast<Dtype>(dtypes[index]);
    View w = view_of(parameters[index]), g = view_of(gradients[index]);
    Napi::Value velocity = velocities[index];
    View v = velocity.IsNull() ? View{nullptr, w.length} : view_of(velocity);
    if (dtypes[index] >= kDtypes || g.length != w.length || v.length != w.length) {
      throw Napi::Error::New(parameters.Env(), "leaves of unequal length");
    }
    PlacedLeaf leaf;
    leaf.roles[kParameter] = place(index, 0);
    leaf.gradient = place(index, 1);
    leaf.roles[kVelocity] = place(index, 2);
    leaf.span.streams[kParameter] = stream(w, dtype, leaf.roles[kParameter]);
    leaf.span.gradients = {stream(g, dtype, leaf.gradient)};
    leaf.span.streams[kVelocity] = stream(v, dtype, leaf.roles[kVelocity]);
    leaf.span.count = w.length;
    leaf.span.group = groups[index];
    return leaf;
  }

  /// Two numbers for each of three streams.
  static constexpr size_t kPlaceNumbers = 6;

 private:
  Place place(uint32_t index, size_t stream) const {
    size_t at = index * kPlaceNumbers + 2 * stream;
    return {places[at], places[at + 1]};
  }

  /// Checks again that the address lies in the arena: a wrong one would reach foreign memory.
  Stream stream(const View& view, Dtype dtype, const Place& place) const {
    Stream found{view.data, dtype};
    if (place.arena < 0 || static_cast<size_t>(place.arena) >= arenas.size()) return found;
    const Arena& arena = arenas[place.arena];
    size_t bytes = view.length * item_size(dtype);
    bool is_inside = view.data >= arena.pages && bytes <= arena.bytes &&
                     view.data <= arena.pages + (arena.bytes - bytes);
    if (is_inside) found.arena = &arena;
    return found;
  }
};

}  // namespace

/// prepareStep({ parameters, gradients: TypedArray[], velocities: (TypedArray | null)[],
///               dtypes, groups: Uint8Array, places: Int32Array, settings: Float64Array,
///               target: number,
///               arenas: { id: bigint, pages: Float64Array }[] }): External
/// places holds two numbers for each leaf's parameter, gradient and velocity: the index of its
/// arena and which leaf of the arena it is, whole; -1 for none. An arena beyond the list joins
/// leaves, but no GPU uses it. One argument, since node-addon-api allocates room for more than six.
Napi::Value prepare_step(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto given = info[0].As<Napi::Object>();
  View settings = view_of(given.Get("settings"));
  std::vector<Arena> arenas = arenas_of(given.Get("arenas").As<Napi::Array>());
  Leaves leaves{given.Get("parameters").As<Napi::Array>(),
                given.Get("gradients").As<Napi::Array>(),
                given.Get("velocities").As<Napi::Array>(),
                given.Get("dtypes").As<Napi::Uint8Array>(),
                given.Get("places").As<Napi::Int32Array>(),
                given.Get("groups").As<Napi::Uint8Array>(),
                arenas};
  size_t rows = settings.length / kSettings;
  bool have_rows = leaves.are_complete();
  for (uint32_t i = 0; have_rows && i < leaves.groups.ElementLength(); i++)
    have_rows = leaves.groups[i] < rows;
  if (!have_rows || rows == 0) {
    throw Napi::Error::New(env, "prepareStep: lists of unequal length");
  }
  std::vector<PlacedLeaf> placed;
  placed.reserve(leaves.parameters.Length());
  for (uint32_t i = 0; i < leaves.parameters.Length(); i++) placed.push_back(leaves.at(i));
  auto target = static_cast<Target>(given.Get("target").As<Napi::Number>().Uint32Value());
  auto tree = std::make_unique<SharedTree>(
      new BoundTree{TreeStep(join_leaves(std::move(placed)), target),
                    reinterpret_cast<double*>(settings.data), rows - 1});
  auto external = Napi::External<SharedTree>::New(env, tree.get(),
                                                  [](Napi::Env, SharedTree* data) { delete data; });
  tree.release();
  return external;
}

/// release(tree: External) - frees the wrappers of its arenas now. Until the collector comes by,
/// dead memory would stay wired.
void release(const Napi::CallbackInfo& info) {
  info[0].As<Napi::External<SharedTree>>().Data()->reset();
}

/// step(tree: External) - takes one step in place, with the numbers in its settings row.
void step(const Napi::CallbackInfo& info) {
  BoundTree& tree = *tree_of(info[0]);
  StepSettings settings = tree.read(info.Env());
  tree.report(tree.tree.run(settings));
}

}  // namespace metal_sgd
