// What the simulator counts: calls, bytes and live objects.
#ifndef METAL_SGD_TEST_METAL_SIM_COUNTERS_H_
#define METAL_SGD_TEST_METAL_SIM_COUNTERS_H_

#include <atomic>
#include <cstdint>
#include <string>

namespace metal_sim {

// X(name): one counter, under this name in the JSON too.
#define METAL_SIM_COUNTERS(X) \
  X(commandQueues)            \
  X(commandBuffers)           \
  X(commandBuffersDropped)    \
  X(commits)                  \
  X(waits)                    \
  X(looks)                    \
  X(handlers)                 \
  X(gpuNanoseconds)           \
  X(callNanoseconds)          \
  X(encoders)                 \
  X(dispatches)               \
  X(threads)                  \
  X(barriers)                 \
  X(setBytesCalls)            \
  X(setBytesBytes)            \
  X(buffersBound)             \
  X(bytesBound)               \
  X(bytesRead)                \
  X(bytesWritten)             \
  X(buffersAllocated)         \
  X(bytesAllocated)           \
  X(buffersWrapped)           \
  X(bytesWrapped)             \
  X(deviceQueries)            \
  X(libraries)                \
  X(functions)                \
  X(pipelines)

struct Counters {
#define METAL_SIM_FIELD(name) std::atomic<uint64_t> name{0};
  METAL_SIM_COUNTERS(METAL_SIM_FIELD)
#undef METAL_SIM_FIELD
};

Counters& counters();

/// Counts the time that a call of the program's spends in here; calls inside calls count once.
class CallTimer {
 public:
  CallTimer();
  ~CallTimer();
  CallTimer(const CallTimer&) = delete;
  CallTimer& operator=(const CallTimer&) = delete;

  /// For the simulator's own threads: nobody waits for what they call.
  static void leave_out_this_thread();

 private:
  int64_t start_;
};

/// The protocols whose objects are counted while they live.
enum class Kind {
  kDevice,
  kCommandQueue,
  kCommandBuffer,
  kComputeCommandEncoder,
  kBuffer,
  kLibrary,
  kFunction,
  kComputePipelineState,
};
constexpr int kKinds = 8;
const char* kind_name(Kind kind);

void count_live(Kind kind, int difference);

/// Bytes of all live buffers, wrapped ones included: what `currentAllocatedSize` says.
std::atomic<uint64_t>& live_buffer_bytes();

std::string counters_json();
void reset_counters();

}  // namespace metal_sim

#endif  // METAL_SGD_TEST_METAL_SIM_COUNTERS_H_
