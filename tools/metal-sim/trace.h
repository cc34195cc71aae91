// Which bytes the threads of a dispatch touch: every load and store of a traced kernel is seen
// here.
#ifndef METAL_SGD_TEST_METAL_SIM_TRACE_H_
#define METAL_SGD_TEST_METAL_SIM_TRACE_H_

#include <cstdint>
#include <vector>

#include "kernel_library.h"
#include "ranges.h"

namespace metal_sim {

/// Neighbouring bytes touched by neighbouring threads.
struct Access {
  Range bytes;
  uint32_t first_thread;
  uint32_t last_thread;
};

/// One buffer argument's memory, and what happened there. Two arguments with one buffer share it.
struct TracedRegion {
  Range zone;  ///< with guards: an address in it is meant for this buffer
  Range data;
  bool recorded;  ///< false for the bytes of setBytes: read by every thread, and by nobody else
  std::vector<Access> reads;
  std::vector<Access> writes;
};

/// What one host thread sees of one dispatch.
class Tracer {
 public:
  /// Accesses of threads are told apart if their positions differ above the lowest `joined_bits`.
  Tracer(std::vector<TracedRegion> regions, int joined_bits)
      : regions_(std::move(regions)), joined_bits_(joined_bits) {}

  void note(uintptr_t address, size_t size, bool write);
  const std::vector<TracedRegion>& regions() const { return regions_; }

 private:
  void join(std::vector<Access>& accesses, Range bytes, bool write);

  std::vector<TracedRegion> regions_;
  int joined_bits_;
};

/// The tracer of this host thread, while it runs a traced kernel.
extern METAL_SIM_FAST_THREAD_LOCAL Tracer* current_tracer;

/// Called for an access outside its buffer; reports it and never returns.
[[noreturn]] void report_out_of_range(uintptr_t address);
/// Called for an access that is not aligned to its size.
[[noreturn]] void report_unaligned(uintptr_t address, size_t size);

/// Two different threads touched `common`, one of them writing.
struct ThreadConflict {
  Range common;
  uint32_t thread;
  uint32_t other_thread;
  bool both_write;
};

/// True, with the first conflict, if threads of one dispatch got into each other's way.
bool find_conflict(const std::vector<Access>& reads, const std::vector<Access>& writes,
                   ThreadConflict* conflict);

}  // namespace metal_sim

#endif  // METAL_SGD_TEST_METAL_SIM_TRACE_H_
