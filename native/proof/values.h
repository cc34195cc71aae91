// The values that prove a GPU, and memory of our own for them.
#ifndef METAL_SGD_PROOF_VALUES_H_
#define METAL_SGD_PROOF_VALUES_H_

#include <cstring>

#include "backend.h"

namespace metal_sgd {

struct Streams {
  std::vector<char> w, g, v;
};

/// Parameters, gradients and velocities of a dtype: special values, and ordinary ones.
Streams streams_for(Dtype dtype);

/// Appends one element of a 4- or 2-byte dtype.
template <typename Item>
void push(std::vector<char>& stream, Item item) {
  stream.resize(stream.size() + sizeof item);
  std::memcpy(stream.data() + stream.size() - sizeof item, &item, sizeof item);
}

/// Numbers that any GPU generates alike.
class Generator {
 public:
  uint32_t next() { return state_ = state_ * 1664525u + 1013904223u; }

 private:
  uint32_t state_ = 1;
};

/// A copy of a stream in whole pages, `skip` bytes in: an arena of its own.
class ScratchArena {
 public:
  ScratchArena(const std::vector<char>& stream, size_t skip, uint64_t id) {
    size_t bytes = (stream.size() + skip + kArenaPage - 1) / kArenaPage * kArenaPage;
    memory_.resize(bytes + kArenaPage);  // one page more than needed, to begin on a boundary
    size_t past = reinterpret_cast<uintptr_t>(memory_.data()) % kArenaPage;
    arena_ = {id, memory_.data() + (kArenaPage - past) % kArenaPage, bytes};
    data_ = arena_.pages + skip;
    std::memcpy(data_, stream.data(), stream.size());
  }
  ScratchArena(const ScratchArena&) = delete;
  ScratchArena& operator=(const ScratchArena&) = delete;

  Stream stream(Dtype dtype) const { return {data_, dtype, &arena_}; }
  void copy_to(std::vector<char>& stream) const {
    std::memcpy(stream.data(), data_, stream.size());
  }

 private:
  std::vector<char> memory_;
  Arena arena_;
  char* data_;
};

}  // namespace metal_sgd

#endif  // METAL_SGD_PROOF_VALUES_H_
