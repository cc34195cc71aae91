// Spans on the GPU: arenas wrapped in place, other memory through staging buffers.
#ifndef METAL_SGD_METAL_SEGMENTS_H_
#define METAL_SGD_METAL_SEGMENTS_H_

#include <functional>

#include "arena.h"
#include "cuts.h"

namespace metal_sgd {

/// No dispatch and no command buffer moves more bytes than this, so that none holds the GPU for
/// long.
constexpr size_t kMaxTraffic = size_t{2} << 30;
/// Where a stream lies on the GPU.
struct Placed {
  id<MTLBuffer> buffer = nil;  ///< nil: the step has no such stream
  size_t offset = 0;
  Dtype dtype = Dtype::kFloat32;

  explicit operator bool() const { return buffer != nil; }
};

/// What one step dispatch works on: the same count of elements in several buffers.
struct Segment {
  std::vector<Placed> streams;  ///< by role, then the gradients
  Placed sum;                   ///< of the gradients, where there are several
  size_t count;
  size_t traffic;
  bool plain;                     ///< but for the settings
  bool vector;                    ///< for the plain kernels
  uint8_t first;                  ///< First, or'ed
  std::vector<uint8_t> groups;    ///< by row
  Placed table;                   ///< the row of each SGD_TABLE_BYTES of the parameter's stream
  size_t phase;                   ///< elements from where the table begins to the segment
  std::vector<NormBlock> blocks;  ///< of its leaves, where steps measure

  Dtype dtype() const { return streams[kParameter].dtype; }
  size_t gradients() const { return streams.size() - kRoles; }
  /// What norm and step read: the gradient, or the sum of several.
  const Placed& gradient() const { return sum ? sum : streams[kRoles]; }
};

/// A new buffer that both processors see. Throws GpuFailure.
Owned<id<MTLBuffer>> shared_buffer(size_t bytes, const char* what);

/// The segments of a step, and the memory behind them.
class Segments {
 public:
  /// Throws GpuFailure.
  void add(const Span& span);
  const std::vector<Segment>& all() const { return segments_; }
  /// The end of the segments that share a command buffer with `first`.
  size_t batch_end(size_t first) const;
  /// Makes the buffers of sums, once all spans are added. Throws GpuFailure.
  void make_sums();

  /// Copies staged streams to the GPU, or the written ones back; returns the bytes.
  /// `momentum` says whether a group of the segment has one.
  using HasMomentum = std::function<bool(const Segment& segment)>;
  size_t copy_in(const HasMomentum& momentum);
  size_t copy_out(const HasMomentum& momentum);

 private:
  /// A segment of other memory, and the buffers that it is copied through.
  struct Staged {
    size_t segment;
    std::vector<Stream> streams;  ///< as the segment's
    std::vector<Owned<id<MTLBuffer>>> buffers;
  };
  void add_wrapped(const Span& span);
  void add_staged(const Span& span);
  void add_segment(Segment segment, const Span& span, size_t first);
  void make_table(Segment& segment, const Span& span, size_t first);

  std::vector<std::shared_ptr<ArenaBuffers>> arenas_;  // kept alive for the segments
  std::vector<Segment> segments_;
  std::vector<Staged> staged_;
  std::vector<Owned<id<MTLBuffer>>> others_;  // tables and sums
};

}  // namespace metal_sgd

#endif  // METAL_SGD_METAL_SEGMENTS_H_
