// Wraps arenas for Metal without a copy: one wrapper for each arena and process.
#ifndef METAL_SGD_METAL_ARENA_H_
#define METAL_SGD_METAL_ARENA_H_

#include "device.h"

namespace metal_sgd {

/// The buffers over one arena: one, or several windows if it is longer than `maxBufferLength`.
class ArenaBuffers {
 public:
  /// The wrapper of the arena, which is made if nobody holds one. Throws GpuFailure.
  static std::shared_ptr<ArenaBuffers> wrap(const Arena& arena);

  struct Place {
    id<MTLBuffer> buffer;
    size_t offset;
    size_t room;  ///< bytes from here to the window's end
  };
  /// Where an address lies. Throws GpuFailure if that is outside the arena.
  Place place(const void* address) const;

 private:
  explicit ArenaBuffers(const Arena& arena);

  char* pages_;
  size_t bytes_;
  size_t window_;  ///< bytes of each buffer but the last
  std::vector<Owned<id<MTLBuffer>>> buffers_;
};

}  // namespace metal_sgd

#endif  // METAL_SGD_METAL_ARENA_H_
