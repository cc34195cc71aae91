// Kernels as the build compiled them: the text they came from, their arguments, and code that runs
// a range of threads. Generated files register themselves here.
#ifndef METAL_SGD_TEST_METAL_SIM_KERNEL_LIBRARY_H_
#define METAL_SGD_TEST_METAL_SIM_KERNEL_LIBRARY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace metal_sim {

constexpr uint32_t kMaxBuffers = 31;

enum class AddressSpace { kDevice, kConstant };

struct KernelArgument {
  const char* name;
  const char* type;  ///< of one element, as the source spells it
  uint32_t index;    ///< [[buffer(index)]]
  AddressSpace space;
  bool writable;
  size_t size;       ///< of one element
  size_t alignment;  ///< of one element
};

/// Runs the threads first to last - 1 of a one-dimensional grid; `buffers[index]` is argument
/// memory.
using RunThreads = void (*)(void* const* buffers, uint32_t first, uint32_t last);

struct Kernel {
  const char* name;
  const KernelArgument* arguments;
  size_t argument_count;
  size_t max_threads;  ///< [[max_total_threads_per_threadgroup]], or 1024
  RunThreads run;
};

/// One text, compiled four times.
struct KernelLibrary {
  const char* source;
  size_t source_length;
  const Kernel* traced;      ///< as written, every access reported
  const Kernel* plain;       ///< as written
  const Kernel* contracted;  ///< pragmas taken out: a*b+c is one fused operation
  const Kernel* near_zero;   ///< every access reported, float32 as `near_zero` says
  size_t kernel_count;
};

void register_library(const KernelLibrary* library);

/// The library whose text is exactly this; null where there is none.
const KernelLibrary* find_library(const std::string& source);

// Read at every traced access: without the lookup that a loaded library's variables cost otherwise.
#define METAL_SIM_FAST_THREAD_LOCAL thread_local __attribute__((tls_model("initial-exec")))

/// The grid position of the thread that a traced kernel is running here.
extern METAL_SIM_FAST_THREAD_LOCAL uint32_t current_thread;

/// What a GPU may compute otherwise than the host's processor, which keeps the sign of what it
/// flushes, flushes after it rounds, and divides exactly.
struct NearZero {
  bool positive = false;
  bool before_rounding = false;
  bool reciprocals = false;  ///< no division: a / b is a * (1 / b), rounded twice
};

/// Read by kernels that are compiled for it.
extern METAL_SIM_FAST_THREAD_LOCAL NearZero near_zero;

}  // namespace metal_sim

#endif  // METAL_SGD_TEST_METAL_SIM_KERNEL_LIBRARY_H_
