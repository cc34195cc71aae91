#include "tiny.h"

#include <cstring>

namespace metal_sim {
namespace {

/// An element as the upper bits of a float32.
uint32_t bits_at(const unsigned char* bytes, size_t lane) {
  uint32_t bits = 0;
  memcpy(reinterpret_cast<char*>(&bits) + 4 - lane, bytes, lane);
  return bits;
}

constexpr uint32_t kSign = 0x80000000u, kSmallestNormal = 0x00800000u;

}  // namespace

TinyResults::TinyResults(std::vector<const BufferMemory*> buffers, const Settings& settings,
                         const std::function<void(Rounding)>& run)
    : buffers_(std::move(buffers)),
      positive_zero_(settings.positiveZero),
      before_rounding_(settings.flushBeforeRounding) {
  const Contents before = contents();
  auto outputs = [&](Rounding rounding) {
    run(rounding);
    Contents after = contents();
    for (size_t i = 0; i < buffers_.size(); ++i)
      memcpy(buffers_[i]->copy()->data(), before[i].data(), before[i].size());
    return after;
  };
  if (positive_zero_) kept_ = outputs(Rounding::kKeep);
  if (before_rounding_) truncated_ = outputs(Rounding::kFlushTowardsZero);
}

void TinyResults::apply(size_t lane) {
  for (size_t i = 0; i < buffers_.size(); ++i) {
    unsigned char* bytes = static_cast<unsigned char*>(buffers_[i]->copy()->data());
    for (size_t at = 0; at + lane <= buffers_[i]->copy()->length(); at += lane) {
      uint32_t bits = bits_at(bytes + at, lane);
      bool flushed = positive_zero_ && bits == kSign && bits_at(&kept_[i][at], lane) != kSign;
      bool rounded = before_rounding_ && (bits & ~kSign) == kSmallestNormal &&
                     (bits_at(&truncated_[i][at], lane) & ~kSign) == 0;
      uint32_t sign = rounded && !positive_zero_ ? bits & kSign : 0;
      if (flushed || rounded) memcpy(bytes + at, reinterpret_cast<char*>(&sign) + 4 - lane, lane);
    }
  }
}

TinyResults::Contents TinyResults::contents() const {
  Contents all;
  for (const BufferMemory* memory : buffers_) {
    const auto* data = static_cast<const unsigned char*>(memory->copy()->data());
    all.emplace_back(data, data + memory->copy()->length());
  }
  return all;
}

}  // namespace metal_sim
