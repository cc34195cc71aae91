// Which bytes the threads of a dispatch touch: every load and store of a traced kernel is seen
// here.
#ifndef METAL_SGD_TEST_METAL_SIM_TRACE_H_
#define METAL_SGD_TEST_METAL_SIM_TRACE_H_

#include <cstdint>
#include <vector>

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
  std::vector<Access> reads;
  std::vector<Access> writes;
};

/// What one host thread sees of one dispatch.
class Tracer {
 public:
  /// Accesses of threads whose positions differ by less than `granularity` may be joined.
  Tracer(std::vector<TracedRegion> regions, uint32_t granularity)
      : regions_(std::move(regions)), granularity_(granularity) {}

  void note(uintptr_t address, size_t size, bool write);
  const std::vector<TracedRegion>& regions() const { return regions_; }

 private:
  void join(std::vector<Access>& accesses, Range bytes);

  std::vector<TracedRegion> regions_;
  uint32_t granularity_;
};

/// The tracer of this host thread, while it runs a traced kernel.
extern thread_local Tracer* current_tracer;

/// Called for an access outside its buffer; reports it and never returns.
[[noreturn]] void report_out_of_range(uintptr_t address);

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
