#include "proof.h"

#include <map>
#include <mutex>
#include <optional>

#include "self_test.h"

namespace metal_sgd {

namespace {

/// What a self-test found out, or why it could not.
struct Proved {
  bool is_exact;
  std::optional<GpuFailure> refusal;
};

struct Found {
  std::mutex mutex;
  std::map<std::pair<Feature, Dtype>, Proved> proofs;
};

Found& found() {
  static Found* all = new Found;  // leaked: asynchronous steps may outlive static destructors
  return *all;
}

/// Runs work on arrays of our own: if it fails, nothing of the caller's was written.
template <typename Work>
auto on_scratch(Work work) {
  try {
    return work();
  } catch (const GpuFailure& failure) {
    throw GpuFailure(failure.error, failure.reason);
  }
}

Proved prove(Dtype dtype, Feature feature) {
  constexpr Comparison (*kTests[])(Dtype) = {test_plain, test_general, test_division, test_measure,
                                             test_coefficient};
  constexpr const char* kWhat[] = {"", " steps that are not plain", " means of that many gradients",
                                   " norms of gradients", " the coefficient of clipping"};
  Comparison compared;
  try {
    compared = kTests[static_cast<int>(feature)](dtype);
  } catch (const GpuFailure& failure) {
    // Plain steps try again later. Beside those that work, each try of others would cost them time.
    if (feature == Feature::kPlain || failure.error != GpuError::kCompile) throw;
    return {false, GpuFailure(failure.error, failure.reason)};
  }
  const auto& [match, difference] = compared;
  if (match != Match::kDifferent) return {match == Match::kExact, {}};
  std::string text = std::string("this GPU does not compute ") +
                     kDtypeNames[static_cast<int>(dtype)] + kWhat[static_cast<int>(feature)] +
                     " as the CPU does (" + difference + ")";
  return {false, GpuFailure(GpuError::kSelfTest, text)};
}

}  // namespace

bool prove_gpu(const std::vector<Dtype>& dtypes, Feature feature) {
  std::lock_guard<std::mutex> lock(found().mutex);
  bool is_exact = true;
  for (Dtype dtype : dtypes) {
    auto known = found().proofs.find({feature, dtype});
    if (known == found().proofs.end()) {
      Proved proved = on_scratch([=] { return prove(dtype, feature); });
      known = found().proofs.emplace(std::pair(feature, dtype), proved).first;
    }
    if (known->second.refusal) throw *known->second.refusal;
    is_exact = is_exact && known->second.is_exact;
  }
  return is_exact;
}

}  // namespace metal_sgd
