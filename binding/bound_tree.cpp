// Verbs that prepare trees and step them on the calling thread.
#include "bound_tree.h"

#include <cstring>

#include "choices.h"
#include "cpu/cpu.h"
#include "environment.h"
#include "spans.h"
#include "view.h"

namespace metal_sgd {

BoundTree::BoundTree(TreeStep tree, double* rows, size_t groups)
    : tree(std::move(tree)), rows_(rows), seen_(kSettings * (1 + groups)) {
  settings_.groups.resize(groups);
}

const StepSettings& BoundTree::settings(Napi::Env env) {
  if (pending.load(std::memory_order_acquire))
    throw Napi::Error::New(env, "a step of this tree is pending");
  if (!is_read()) read(env);
  return settings_;
}

/// Compares bits, since a learning rate of -0 gives other results than one of 0. Steps write
/// columns of the first row.
bool BoundTree::is_read() const {
  size_t others = settings_.groups.size() * kSettings;
  const double *rows = rows_ + kSettings, *seen = seen_.data() + kSettings;
  return settings_.revision != 0 &&
         std::memcmp(rows_, seen_.data(), kOutcome * sizeof(double)) == 0 &&
         std::memcmp(rows, seen, others * sizeof(double)) == 0;
}

void BoundTree::read(Napi::Env env) {
  StepSettings next = settings_;
  next.hyperparameters = row(0);
  for (size_t group = 1; group <= next.groups.size(); group++) next.groups[group - 1] = row(group);
  next.subnormals = rows_[kFlushSubnormals] != 0 ? Subnormals::kFlush : Subnormals::kKeep;
  next.around = {rows_[kDivisor],   rows_[kGradientScale],
                 rows_[kClipValue], rows_[kEmaDecay],
                 rows_[kMaxNorm],   static_cast<NonFinite>(rows_[kNonFinite])};
  if (next.around.measures() && !tree.measures())
    throw Napi::Error::New(env, "a norm of leaves that were not prepared for it");
  for (size_t group = 0; group <= next.groups.size(); group++) {
    if (next.of(group).momentum > 0 && !tree.has_velocity(group))
      throw Napi::Error::New(env, "momentum without velocity");
  }
  next.revision++;
  settings_ = std::move(next);
  std::memcpy(seen_.data(), rows_, seen_.size() * sizeof(double));
}

Hyperparameters BoundTree::row(size_t group) const {
  const double* columns = rows_ + group * kSettings;
  return {columns[kLearningRate], columns[kMomentum],      columns[kWeightDecay],
          columns[kDampening],    columns[kNesterov] != 0, columns[kMaximize] != 0};
}

void BoundTree::report(const StepReport& report) const {
  rows_[kOutcome] = static_cast<double>(report.outcome);
  rows_[kCopiedBytes] = static_cast<double>(report.device.copied_bytes);
  rows_[kGpuSeconds] = report.device.gpu_seconds;
  rows_[kVerdict] = static_cast<double>(report.device.verdict);
  rows_[kGradientNorm] = report.device.measure.norm;
  rows_[kGradientMax] = report.device.measure.largest;
  rows_[kIsSplit] = report.is_split;
  rows_[kCpuTime] = report.times.on[kOnCpu];
  rows_[kGpuTime] = report.times.on[kOnGpu];
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

/// The arguments that describe leaves: a row of arrays for each leaf, its roles first and then its
/// gradients.
struct Leaves {
  Napi::Array arrays;
  Napi::Uint8Array dtypes;
  Napi::Int32Array places;
  Napi::Uint8Array groups;
  Napi::Uint8Array first;
  size_t width;
  const std::vector<Arena>& arenas;

  bool are_complete(size_t group_rows) const {
    size_t count = groups.ElementLength();
    if (width <= kRoles || arrays.Length() != count * width || first.ElementLength() != count ||
        dtypes.ElementLength() != count * width || places.ElementLength() != count * width * 2)
      return false;
    for (size_t i = 0; i < count; i++)
      if (groups[i] >= group_rows) return false;
    return true;
  }

  PlacedLeaf at(size_t index) const {
    Napi::HandleScope scope(arrays.Env());
    PlacedLeaf leaf;
    leaf.span.count = view_of(arrays[static_cast<uint32_t>(index * width)]).length;
    for (size_t role = 0; role < kRoles; role++) {
      leaf.roles[role] = place(index, role);
      leaf.span.streams[role] = stream(index, role, leaf.span.count);
    }
    for (size_t column = kRoles; column < width; column++) {
      if (arrays.Get(static_cast<uint32_t>(index * width + column)).IsNull()) continue;
      leaf.gradients.push_back(place(index, column));
      leaf.span.gradients.push_back(stream(index, column, leaf.span.count));
    }
    if (leaf.span.gradients.empty())
      throw Napi::Error::New(arrays.Env(), "a leaf without gradient");
    check_dtypes(leaf.span);
    leaf.span.group = groups[index];
    leaf.span.first = first[index];
    return leaf;
  }

 private:
  Place place(size_t index, size_t column) const {
    size_t at = 2 * (index * width + column);
    return {places[at], places[at + 1]};
  }

  /// Nothing for a null. Checks again that the address lies in the arena: a wrong one would reach
  /// foreign memory.
  Stream stream(size_t index, size_t column, size_t count) const {
    size_t at = index * width + column;
    Napi::Value given = arrays[static_cast<uint32_t>(at)];
    if (given.IsNull()) return {};
    View view = view_of(given);
    if (dtypes[at] >= kDtypes || view.length != count)
      throw Napi::Error::New(arrays.Env(), "leaves of unequal length");
    Stream found{view.data, static_cast<Dtype>(dtypes[at])};
    Place at_place = place(index, column);
    if (at_place.arena < 0 || static_cast<size_t>(at_place.arena) >= arenas.size()) return found;
    const Arena& arena = arenas[at_place.arena];
    size_t bytes = view.length * item_size(found.dtype);
    bool is_inside = view.data >= arena.pages && bytes <= arena.bytes &&
                     view.data <= arena.pages + (arena.bytes - bytes);
    if (is_inside) found.arena = &arena;
    return found;
  }

  /// A wrong dtype would be read beyond the array's end.
  void check_dtypes(const Span& span) const {
    bool is_narrow = item_size(span.dtype()) == 2;
    Dtype wide = span.dtype() == Dtype::kFloat64 ? Dtype::kFloat64 : Dtype::kFloat32;
    auto fits = [&](const Stream& stream, bool may_be_narrow) {
      return !stream || stream.dtype == wide || (may_be_narrow && stream.dtype == span.dtype());
    };
    bool fit = fits(span.streams[kVelocity], is_narrow) && fits(span.streams[kMaster], false) &&
               fits(span.streams[kAverage], false) && (is_narrow || !span.streams[kMaster]);
    for (const Stream& gradient : span.gradients)
      fit = fit &&
            (fits(gradient, true) || (wide == Dtype::kFloat32 && item_size(gradient.dtype) == 2));
    if (!fit) throw Napi::Error::New(arrays.Env(), "leaves of dtypes that don't go together");
  }
};

}  // namespace

namespace {

/// What both verbs below take.
SharedTree bind(const Napi::CallbackInfo& info, bool are_sums) {
  Napi::Env env = info.Env();
  auto given = info[0].As<Napi::Object>();
  View settings = view_of(given.Get("settings"));
  std::vector<Arena> arenas = arenas_of(given.Get("arenas").As<Napi::Array>());
  Leaves leaves{given.Get("arrays").As<Napi::Array>(),
                given.Get("dtypes").As<Napi::Uint8Array>(),
                given.Get("places").As<Napi::Int32Array>(),
                given.Get("groups").As<Napi::Uint8Array>(),
                given.Get("first").As<Napi::Uint8Array>(),
                given.Get("width").As<Napi::Number>().Uint32Value(),
                arenas};
  size_t rows = settings.length / kSettings;
  if (rows == 0 || !leaves.are_complete(rows))
    throw Napi::Error::New(env, "prepareStep: lists of unequal length");
  std::vector<PlacedLeaf> placed;
  placed.reserve(leaves.groups.ElementLength());
  for (size_t i = 0; i < leaves.groups.ElementLength(); i++) placed.push_back(leaves.at(i));
  auto target = static_cast<Target>(given.Get("target").As<Napi::Number>().Uint32Value());
  bool measures = given.Get("measures").As<Napi::Boolean>();
  Choices* choices = choices_of(given.Get("choices"), target == Target::kAuto);
  std::vector<Span> spans = join_leaves(std::move(placed), measures);
  TreeStep tree =
      are_sums ? TreeStep(prepare_sums(spans)) : TreeStep(spans, target, measures, choices);
  return std::make_shared<BoundTree>(std::move(tree), reinterpret_cast<double*>(settings.data),
                                     rows - 1);
}

Napi::Value wrapped(Napi::Env env, SharedTree bound) {
  auto tree = std::make_unique<SharedTree>(std::move(bound));
  auto external = Napi::External<SharedTree>::New(env, tree.get(),
                                                  [](Napi::Env, SharedTree* data) { delete data; });
  tree.release();
  return external;
}

}  // namespace

/// prepareStep({ arrays: (TypedArray | null)[], dtypes: Uint8Array, places: Int32Array,
///               width: number, groups, first: Uint8Array, settings: Float64Array, target: number,
///               choices: External | null, measures: boolean, arenas: { id: bigint, pages:
///               Float64Array }[] }): External
/// arrays holds `width` arrays for each leaf: one for each role, then its gradients. places holds
/// two numbers for each of them: the index of its arena and which leaf of the arena it is, whole;
/// -1 for none. An arena beyond the list joins leaves, but no GPU uses it. first holds First of
/// each leaf. choices: of `newChoices`, where the target is 'auto'. measures: steps may measure the
/// gradients. One argument, since node-addon-api allocates room for more than six.
Napi::Value prepare_step(const Napi::CallbackInfo& info) {
  return wrapped(info.Env(), bind(info, false));
}

/// prepareSum(as prepareStep): External - each `step` writes the sum of the gradients to the array
/// of the parameter, which may be the first gradient too. On the CPU, whatever the target.
Napi::Value prepare_sum(const Napi::CallbackInfo& info) {
  return wrapped(info.Env(), bind(info, true));
}

/// release(tree: External) - frees the wrappers of its arenas now. Until the collector comes by,
/// dead memory would stay wired.
void release(const Napi::CallbackInfo& info) {
  info[0].As<Napi::External<SharedTree>>().Data()->reset();
}

/// firstNotFinite(tree: External): number - the index of the first leaf whose gradients are not
/// finite with the present settings; -1 if all are.
Napi::Value first_not_finite(const Napi::CallbackInfo& info) {
  BoundTree& tree = *tree_of(info[0]);
  std::optional<size_t> leaf = tree.tree.first_not_finite(tree.settings(info.Env()));
  return Napi::Number::New(info.Env(), leaf ? static_cast<double>(*leaf) : -1);
}

/// step(tree: External) - takes one step in place, with the numbers in its settings row.
void step(const Napi::CallbackInfo& info) {
  BoundTree& tree = *tree_of(info[0]);
  tree.report(tree.tree.run(tree.settings(info.Env())));
}

}  // namespace metal_sgd
