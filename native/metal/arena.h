// Arenas wrapped for Metal without a copy, one wrapper per arena and process.
#ifndef METAL_SGD_METAL_ARENA_H_
#define METAL_SGD_METAL_ARENA_H_

#include "device.h"

namespace metal_sgd {

/// The buffers over one arena: one, or several windows where it is longer than `maxBufferLength`.
class ArenaBuffers {
 public:
  /// The wrapper of the arena, made if nobody holds one. Throws MetalFailure.
  static std::shared_ptr<ArenaBuffers> wrap(const Arena& arena);

  struct Place {
    id<MTLBuffer> buffer;
    size_t offset;
    size_t room;  ///< bytes from here to the window's end
  };
  /// Where an address of the arena lies.
  Place place(const void* address) const;

 private:
  explicit ArenaBuffers(const Arena& arena);

  char* pages_;
  size_t window_;  ///< bytes of each buffer but the last
  std::vector<Owned<id<MTLBuffer>>> buffers_;
};

}  // namespace metal_sgd

#endif  // METAL_SGD_METAL_ARENA_H_
