#include "gpu_part.h"

#include <algorithm>

#include "proof/proof.h"

namespace metal_sgd {

namespace {

template <typename Item>
void add_once(std::vector<Item>& list, Item item) {
  if (std::count(list.begin(), list.end(), item) == 0) list.push_back(item);
}

/// `Spans`: const or not, as `visit` takes the streams.
template <typename Spans, typename Visit>
void for_each_stream(Spans& spans, Visit visit) {
  for (auto& span : spans) {
    std::for_each(span.streams, span.streams + kRoles, visit);
    std::for_each(span.gradients.begin(), span.gradients.end(), visit);
  }
}

/// Bytes that a GPU keeps for the float32 sum of several gradients.
size_t sum_bytes(const Span& span) {
  return span.gradients.size() > 1 ? span.count * item_size(Dtype::kFloat32) : 0;
}

/// Bytes that a step of the span moves: it reads every stream, writes those that have a role, and
/// writes and reads the sum.
size_t moved_bytes(const Span& span) {
  size_t bytes = 2 * sum_bytes(span);
  for (const Stream& stream : span.streams)
    bytes += stream ? 2 * span.count * item_size(stream.dtype) : 0;
  for (const Stream& gradient : span.gradients) bytes += span.count * item_size(gradient.dtype);
  return bytes;
}

}  // namespace

bool is_refusal(const GpuFailure& failure) {
  return failure.error == GpuError::kSelfTest || failure.error == GpuError::kCompile;
}

GpuPart::GpuPart(std::vector<Span> spans, bool measures)
    : measures_(measures), count_(spans.size()), spans_(std::move(spans)) {
  for (const Span& span : spans_) {
    traffic_ += moved_bytes(span);
    add_once(dtypes_, span.dtype());
    if (span.is_plain() && span.others.empty()) {
      add_once(plain_, std::pair(span.dtype(), span.group));
    } else {
      add_once(never_plain_, span.dtype());
    }
  }
}

bool GpuPart::exceeds_working_set() const {
  std::map<uint64_t, uint64_t> sizes;
  for_each_stream(spans_, [&](const Stream& stream) {
    if (stream.arena) sizes[stream.arena->id] = stream.arena->bytes;
  });
  uint64_t bytes = 0;
  for (const Span& span : spans_) bytes += sum_bytes(span);
  for (auto& [id, size] : sizes) bytes += size;
  return bytes > gpu_backend()->working_set();
}

void GpuPart::keep_arenas() {
  for_each_stream(spans_, [this](Stream& stream) {
    if (stream.arena)
      stream.arena = &arenas_.emplace(stream.arena->id, *stream.arena).first->second;
  });
}

void GpuPart::prepare() {
  if (prepared_) return;
  prepared_ = gpu_backend()->prepare(spans_, measures_);
  spans_ = {};
  arenas_.clear();
}

bool GpuPart::prove_plain() const { return prove_gpu(dtypes_); }

/// Dtypes of the spans that this step does not take plainly.
std::vector<Dtype> GpuPart::general_dtypes(const StepSettings& settings) const {
  if (settings.around.measures()) return dtypes_;
  std::vector<Dtype> dtypes = never_plain_;
  for (auto [dtype, group] : plain_) {
    bool maximize = settings.of(group).maximize;
    if (gradient_params<float>(settings.around, maximize).flags != 0) add_once(dtypes, dtype);
  }
  return dtypes;
}

bool GpuPart::prove_general(const StepSettings& settings) const {
  std::vector<Dtype> dtypes = general_dtypes(settings);
  bool is_exact = prove_gpu(dtypes, Feature::kGeneral);
  if (gradient_params<float>(settings.around, false).flags & kGradientDivide)
    is_exact = prove_gpu(dtypes, Feature::kDivision) && is_exact;
  if (settings.around.measures()) is_exact = prove_gpu(dtypes, Feature::kMeasure) && is_exact;
  return is_exact;
}

namespace {

/// Leaves the coefficient to the host, if the GPU forms another one.
StepSettings with_host_norm(StepSettings settings) {
  if (!settings.around.measures()) return settings;
  try {
    prove_gpu({Dtype::kFloat32}, Feature::kCoefficient);
  } catch (const GpuFailure& failure) {
    if (!is_refusal(failure)) throw;
    settings.host_norm = true;
  }
  return settings;
}

}  // namespace

Report GpuPart::run(const StepSettings& settings) {
  return prepared_->run(with_host_norm(settings));
}

}  // namespace metal_sgd
