// One dispatch as it was encoded, and running it.
#ifndef METAL_SGD_TEST_METAL_SIM_DISPATCH_H_
#define METAL_SGD_TEST_METAL_SIM_DISPATCH_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "kernel_library.h"
#include "memory.h"
#include "ranges.h"
#include "settings.h"

namespace metal_sim {

/// What is bound to one index: a buffer from an offset on, or bytes of its own.
struct Binding {
  std::shared_ptr<BufferMemory> memory;
  size_t offset = 0;
  std::vector<uint8_t> bytes;

  bool bound() const { return memory || !bytes.empty(); }
  size_t length() const { return memory ? memory->length() - offset : bytes.size(); }
};

struct Dispatch {
  const KernelLibrary* library;
  size_t kernel;                  ///< position in the library's tables
  bool fast_math;                 ///< compiled without regard for the contraction pragmas
  std::vector<Binding> bindings;  ///< in the order of the kernel's arguments
  uint64_t threads;               ///< of the grid
  uint32_t group;                 ///< threads per thread-group
  int encoder;                    ///< number within the command buffer
  int epoch;                      ///< barriers before it, within the encoder
  bool concurrent;                ///< the encoder's dispatch type

  const Kernel& description() const { return library->plain[kernel]; }
};

/// Bytes touched, by host address.
struct Touched {
  RangeSet reads;
  RangeSet writes;
};

/// Runs every thread on the GPU's copies. Fatal: B9, P11.
Touched run_dispatch(const Dispatch& dispatch, const Settings& settings);

/// Called in a fault handler: true if this host thread was running a kernel.
bool running_kernel();

}  // namespace metal_sim

#endif  // METAL_SGD_TEST_METAL_SIM_DISPATCH_H_
