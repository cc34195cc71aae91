// Spans on the GPU: arenas wrapped in place, other memory through staging buffers.
#ifndef METAL_SGD_METAL_SEGMENTS_H_
#define METAL_SGD_METAL_SEGMENTS_H_

#include <functional>

#include "arena.h"

namespace metal_sgd {

/// No dispatch and no command buffer moves more bytes than this, so that none holds the GPU for
/// long.
constexpr size_t kMaxTraffic = size_t{2} << 30;
/// Buffer indices of streams are below this.
constexpr int kStreamBuffers = SGD_PARAMS_BUFFER;

/// What one dispatch steps: the same count of elements in several buffers.
struct Segment {
  ArenaBuffers::Place places[kStreamBuffers];  ///< no buffer: no such stream
  size_t count;
  size_t traffic;
  Dtype dtype;
  bool vector;
  uint8_t group;
};

/// True if a step reads the stream of this buffer index: velocities rest without momentum.
constexpr bool is_used(int index, bool momentum) {
  return momentum || index != SGD_VELOCITY_BUFFER;
}

/// The segments of a step, and the memory behind them.
class Segments {
 public:
  /// Throws GpuFailure.
  void add(const Span& span);
  const std::vector<Segment>& all() const { return segments_; }

  /// Copies staged streams to the GPU, or the written ones back; returns the bytes.
  /// `momentum` says whether a group has one.
  using HasMomentum = std::function<bool(uint8_t group)>;
  size_t copy_in(const HasMomentum& momentum);
  size_t copy_out(const HasMomentum& momentum);

 private:
  /// A span's streams by the kernels' buffer indices.
  struct Bound {
    explicit Bound(const Span& span);
    bool in_arenas() const;
    Stream streams[kStreamBuffers];
  };
  /// Elements in other memory, and the buffers they are copied through.
  struct Staged {
    Bound bound;
    size_t count;
    Owned<id<MTLBuffer>> buffers[kStreamBuffers];
    uint8_t group;
  };
  void add_wrapped(const Span& span);
  void add_staged(const Span& span);

  std::vector<std::shared_ptr<ArenaBuffers>> arenas_;  // kept alive for the segments
  std::vector<Segment> segments_;
  std::vector<Staged> staged_;
};

}  // namespace metal_sgd

#endif  // METAL_SGD_METAL_SEGMENTS_H_
