// Command buffers between commit and completion: what they use, what they touched, who may not.
#ifndef METAL_SGD_TEST_METAL_SIM_FLIGHTS_H_
#define METAL_SGD_TEST_METAL_SIM_FLIGHTS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dispatch.h"

namespace metal_sim {

/// What one command buffer is and does to memory.
struct Footprint {
  uint64_t serial = 0;  ///< of the command buffer
  uint64_t queue_serial = 0;
  std::string label;

  struct Use {
    std::shared_ptr<BufferMemory> memory;
    bool writes;
  };
  std::map<uint64_t, Use> uses;  ///< by serial of the buffer
  Touched touched;               ///< once its kernels ran

  std::string name() const { return "#" + std::to_string(serial) + " '" + label + "'"; }
};

/// The work of one command buffer.
struct Submission : Footprint {
  std::vector<Dispatch> dispatches;
  std::vector<uint64_t> objects;  ///< serials of the buffers and pipelines that it needs alive
  bool simulated = true;          ///< false: counted, but nothing is run or protected
  bool ran = false;
  std::vector<Footprint> met;  ///< command buffers that ended since this one was committed
};

/// At commit. Fatal: B11 (two buffers over one memory), B6.
void begin_flight(Submission* submission);

/// After the kernels ran. Fatal: B12 (touches what another command buffer in flight touches).
void finish_running(Submission* submission, Touched touched);

/// At completion, before handlers; `kept` is what of `touched.writes` reaches the host.
void end_flight(Submission* submission, const RangeSet& kept);

/// The command buffer in flight that needs this object; empty where there is none.
std::string flight_using(uint64_t object);

/// True if one of them uses a buffer over some of this memory.
bool flight_over(Range host);

/// Installs the handler for accesses to protected host pages (B10) and outside buffers (B9).
/// Faults of anybody else go to the handler that was there before.
void watch_memory_faults();

}  // namespace metal_sim

#endif  // METAL_SGD_TEST_METAL_SIM_FLIGHTS_H_
