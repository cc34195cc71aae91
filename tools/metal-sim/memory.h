// Memory as host and simulated GPU see it: the host's bytes of a buffer, and the GPU's guarded
// copy.
#ifndef METAL_SGD_TEST_METAL_SIM_MEMORY_H_
#define METAL_SGD_TEST_METAL_SIM_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "ranges.h"

namespace metal_sim {

constexpr size_t kPage = 16384;  ///< of Apple silicon, whatever the host's is

/// Memory between two inaccessible zones, its end (rounded up to 16) touching the second one. Many
/// thousands have no such zones.
class GuardedBlock {
 public:
  explicit GuardedBlock(size_t length);
  ~GuardedBlock();
  GuardedBlock(const GuardedBlock&) = delete;
  GuardedBlock& operator=(const GuardedBlock&) = delete;

  uint8_t* data() const { return data_; }
  size_t length() const { return length_; }
  bool is_guarded() const { return is_guarded_; }
  /// The block with its guards.
  Range zone() const;

 private:
  bool is_guarded_;
  uint8_t* base_;
  size_t mapped_;
  uint8_t* data_;
  size_t length_;
};

/// One buffer's memory. While command buffers that use it are in flight, the host's pages are
/// protected, and kernels work on the copy. Shared by the buffer object and those command buffers.
class BufferMemory {
 public:
  BufferMemory(uint8_t* host, size_t length, bool tracked, bool private_storage, uint64_t serial);
  ~BufferMemory();

  uint8_t* host() const { return host_; }
  size_t length() const { return length_; }
  bool tracked() const { return tracked_; }
  bool private_storage() const { return private_storage_; }
  uint64_t serial() const { return serial_; }
  Range host_range() const;
  /// Where kernels find it; only between begin_flight and end_flight.
  const GuardedBlock* copy() const { return copy_.get(); }

  /// The first command buffer in flight copies host bytes to the GPU's copy; the host then may not
  /// write, nor read if `writes`. Fatal (B6) if the host's memory is gone.
  void begin_flight(bool writes);
  /// Copies `written` (host addresses) back, or undoes it in the copy unless `keep`; gives the
  /// pages back with the last flight.
  void end_flight(bool writes, const RangeSet& written, const RangeSet& kept);

  /// What a fault handler does about an access that the kernels do not care for.
  void open_host_page(uintptr_t address);

 private:
  void protect(int protection);
  void copy_back(const RangeSet& written, const RangeSet& kept);

  uint8_t* host_;
  size_t length_;
  bool tracked_;
  bool private_storage_;
  uint64_t serial_;
  std::unique_ptr<GuardedBlock> copy_;
  int flights_ = 0;
  int writing_flights_ = 0;
};

}  // namespace metal_sim

#endif  // METAL_SGD_TEST_METAL_SIM_MEMORY_H_
