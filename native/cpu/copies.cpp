#include "copies.h"

#include <algorithm>
#include <cstring>

#include "arch.h"
#include "convert.h"
#include "pool.h"

namespace metal_sgd {

namespace {

inline float to_float(float value) { return value; }

/// A float32 that rounds to 16 bits as the double does: what float32 drops stays in the last bit
/// (round to odd; Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums", 2008).
inline float to_float(double value) {
  float nearest = static_cast<float>(value);
  double widened = nearest;
  if (widened == value || value != value) return nearest;
  uint32_t bits = bits_of_float(nearest);
  bool is_away = value < 0 ? widened < value : widened > value;
  return float_of_bits((bits - (is_away ? 1u : 0u)) | 1u);
}

/// A NaN whose lower half is zero, as `from_float` wants it.
inline float with_short_nan(float value) {
  return value == value ? value : float_of_bits((bits_of_float(value) & 0x80000000u) | 0x7fc00000u);
}

template <typename To>
struct Into {
  template <typename From>
  static To convert(From value) {
    return from_float<To>(with_short_nan(to_float(value)));
  }
};

template <>
struct Into<double> {
  static double convert(double value) { return value; }
  template <typename From>
  static double convert(From value) {
    return to_float(value);
  }
};

template <>
struct Into<float> {
  static float convert(double value) { return static_cast<float>(value); }
  template <typename From>
  static float convert(From value) {
    return to_float(value);
  }
};

template <typename To, typename From>
void convert(void* to, const void* from, size_t count) {
  To* target = static_cast<To*>(to);
  const From* source = static_cast<const From*>(from);
  for (size_t i = 0; i < count; i++) target[i] = Into<To>::convert(source[i]);
}

using Convert = void (*)(void*, const void*, size_t);

template <typename To>
Convert from_dtype(Dtype dtype) {
  switch (dtype) {
    case Dtype::kFloat64:
      return convert<To, double>;
    case Dtype::kFloat16:
      return convert<To, Float16>;
    case Dtype::kBfloat16:
      return convert<To, Bfloat16>;
    default:
      return convert<To, float>;
  }
}

Convert converter(Dtype to, Dtype from) {
  switch (to) {
    case Dtype::kFloat64:
      return from_dtype<double>(from);
    case Dtype::kFloat16:
      return from_dtype<Float16>(from);
    case Dtype::kBfloat16:
      return from_dtype<Bfloat16>(from);
    default:
      return from_dtype<float>(from);
  }
}

void copy_piece(const Copy& piece) {
  Dtype to = piece.to.dtype, from = piece.from.dtype;
  if (to == from) {
    std::memcpy(piece.to.data, piece.from.data, piece.count * item_size(to));
  } else {
    converter(to, from)(piece.to.data, piece.from.data, piece.count);
  }
}

/// Elements of a piece: enough that a thread's claim of one does not show.
constexpr size_t kPiece = 64 * 1024;
/// Pieces from which on sleeping threads are worth waking.
constexpr size_t kLarge = 16;

}  // namespace

void copy_elements(const std::vector<Copy>& copies) {
  std::vector<Copy> pieces;
  for (const Copy& whole : copies) {
    for (size_t first = 0; first < whole.count; first += kPiece) {
      pieces.push_back(
          {whole.to.from(first), whole.from.from(first), std::min(kPiece, whole.count - first)});
    }
  }
  auto run = [](void* context, uint32_t begin, uint32_t end) {
    auto& all = *static_cast<std::vector<Copy>*>(context);
    FloatMode mode;
    mode.set(Subnormals::kKeep);
    for (uint32_t i = begin; i < end; i++) copy_piece(all[i]);
  };
  bool is_large = pieces.size() > kLarge;
  ThreadPool::instance().run(static_cast<uint32_t>(pieces.size()), run, &pieces, is_large);
}

}  // namespace metal_sgd
