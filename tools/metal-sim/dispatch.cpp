// Runs one dispatch: arguments from the GPU's copies, the grid, then what its threads touched.
#include "dispatch.h"

#include <xmmintrin.h>

#include <algorithm>
#include <cstring>

#include "counters.h"
#include "grid.h"
#include "report.h"
#include "trace.h"

namespace metal_sim {
namespace {

/// Arguments in memory, for as long as the dispatch runs.
struct Arguments {
  const Dispatch* dispatch;
  std::vector<std::unique_ptr<GuardedBlock>> bytes;
  void* slots[kMaxBuffers] = {};
};

thread_local const Arguments* running = nullptr;

// Apple GPUs flush float32 subnormals, as operands and as results.
constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;

class FloatMode {
 public:
  explicit FloatMode(bool flush) : saved_(_mm_getcsr()) {
    unsigned bits = kFlushToZero | kDenormalsAreZero;
    _mm_setcsr(flush ? saved_ | bits : saved_ & ~bits);
  }
  ~FloatMode() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
};

Arguments place_arguments(const Dispatch& dispatch) {
  Arguments arguments;
  arguments.dispatch = &dispatch;
  const Kernel& kernel = dispatch.description();
  for (size_t i = 0; i < kernel.argument_count; ++i) {
    const Binding& binding = dispatch.bindings[i];
    void*& slot = arguments.slots[kernel.arguments[i].index];
    if (binding.memory) {
      slot = binding.memory->copy()->data() + binding.offset;
    } else {
      arguments.bytes.push_back(std::make_unique<GuardedBlock>(binding.bytes.size()));
      slot = arguments.bytes.back()->data();
      memcpy(slot, binding.bytes.data(), binding.bytes.size());
    }
  }
  return arguments;
}

std::vector<const BufferMemory*> distinct_buffers(const Dispatch& dispatch) {
  std::vector<const BufferMemory*> buffers;
  for (const Binding& binding : dispatch.bindings) {
    const BufferMemory* memory = binding.memory.get();
    if (memory && std::find(buffers.begin(), buffers.end(), memory) == buffers.end()) {
      buffers.push_back(memory);
    }
  }
  return buffers;
}

Range data_of(const GuardedBlock& block) {
  uintptr_t begin = reinterpret_cast<uintptr_t>(block.data());
  return {begin, begin + block.length()};
}

std::vector<TracedRegion> regions_of(const Arguments& arguments) {
  std::vector<TracedRegion> regions;
  for (const BufferMemory* memory : distinct_buffers(*arguments.dispatch)) {
    regions.push_back({memory->copy()->zone(), data_of(*memory->copy()), true, {}, {}});
  }
  for (const auto& block : arguments.bytes)
    regions.push_back({block->zone(), data_of(*block), false, {}, {}});
  return regions;
}

void report_conflict(const Dispatch& dispatch, const BufferMemory& memory,
                     const TracedRegion& region, const ThreadConflict& conflict) {
  violation(
      "P11",
      "threads %u and %u of kernel '%s' both touch bytes %zu to %zu of buffer #%llu, and %s of them"
      " without order",
      conflict.thread, conflict.other_thread, dispatch.description().name,
      conflict.common.begin - region.data.begin, conflict.common.end - region.data.begin - 1,
      static_cast<unsigned long long>(memory.serial()),
      conflict.both_write ? "both write" : "one writes");
}

void append_ranges(std::vector<Range>& ranges, const std::vector<Access>& accesses,
                   uintptr_t shift) {
  for (const Access& access : accesses) {
    ranges.push_back({access.bytes.begin + shift, access.bytes.end + shift});
  }
}

Touched touched_by_trace(const Dispatch& dispatch, const std::vector<Tracer>& tracers) {
  std::vector<const BufferMemory*> buffers = distinct_buffers(dispatch);
  std::vector<Range> reads, writes;
  for (size_t i = 0; i < buffers.size(); ++i) {
    TracedRegion all = tracers[0].regions()[i];
    for (size_t core = 1; core < tracers.size(); ++core) {
      const TracedRegion& region = tracers[core].regions()[i];
      all.reads.insert(all.reads.end(), region.reads.begin(), region.reads.end());
      all.writes.insert(all.writes.end(), region.writes.begin(), region.writes.end());
    }
    ThreadConflict conflict;
    if (find_conflict(all.reads, all.writes, &conflict)) {
      report_conflict(dispatch, *buffers[i], all, conflict);
    }
    uintptr_t to_host = buffers[i]->host_range().begin - all.data.begin;
    append_ranges(reads, all.reads, to_host);
    append_ranges(writes, all.writes, to_host);
  }
  return {RangeSet(std::move(reads)), RangeSet(std::move(writes))};
}

/// In small grids every thread is told apart, in larger ones every SIMD-group, or thread-group.
int joined_bits(uint64_t threads) { return threads <= 8192 ? 0 : threads <= 1048576 ? 5 : 8; }

/// Without a trace: everything that the kernel could have touched.
Touched touched_by_binding(const Dispatch& dispatch) {
  std::vector<Range> reads, writes;
  for (size_t i = 0; i < dispatch.bindings.size(); ++i) {
    const Binding& binding = dispatch.bindings[i];
    if (!binding.memory) continue;
    Range range = binding.memory->host_range();
    range.begin += binding.offset;
    (dispatch.description().arguments[i].writable ? writes : reads).push_back(range);
  }
  return {RangeSet(std::move(reads)), RangeSet(std::move(writes))};
}

/// Ends the process if the address belongs to a buffer.
void report_access(const char* rule, uintptr_t address, const char* access, const char* demand) {
  const Dispatch& dispatch = *running->dispatch;
  const Kernel& kernel = dispatch.description();
  for (size_t i = 0; i < kernel.argument_count; ++i) {
    const Binding& binding = dispatch.bindings[i];
    if (!binding.memory) continue;
    Range zone = binding.memory->copy()->zone();
    if (address < zone.begin || address >= zone.end) continue;
    long long offset = static_cast<long long>(address - data_of(*binding.memory->copy()).begin);
    violation(rule,
              "kernel '%s', argument '%s' at buffer index %u: %s at byte %lld of buffer #%llu,"
              " which has %zu bytes (bound at offset %zu)%s",
              kernel.name, kernel.arguments[i].name, kernel.arguments[i].index, access, offset,
              static_cast<unsigned long long>(binding.memory->serial()), binding.memory->length(),
              binding.offset, demand);
  }
}

bool is_contracted(const Dispatch& dispatch, const Settings& settings) {
  const std::string& only = settings.contractOnly;
  bool is_meant = only.empty() || only == dispatch.description().name;
  return (settings.contract && is_meant) || dispatch.fast_math;
}

}  // namespace

bool running_kernel() { return running != nullptr; }

void report_out_of_range(uintptr_t address) {
  report_access("B9", address, "access", "");
  violation("B9", "kernel '%s': access at %#zx, which is in no bound buffer",
            running->dispatch->description().name, static_cast<size_t>(address));
}

void report_unaligned(uintptr_t address, size_t size) {
  std::string access = "access of " + std::to_string(size) + " bytes";
  report_access("B14", address, access.c_str(), ": it must be aligned to its size");
  __builtin_unreachable();  // the address is in a buffer
}

Touched run_dispatch(const Dispatch& dispatch, const Settings& settings) {
  Arguments arguments = place_arguments(dispatch);
  bool contract = is_contracted(dispatch, settings);
  NearZero as_gpu = {settings.positiveZero, settings.flushBeforeRounding,
                     settings.reciprocalDivision};
  bool apart = settings.flushSubnormals && !contract &&
               (as_gpu.positive || as_gpu.before_rounding || as_gpu.reciprocals);
  bool trace = settings.trace && !contract;
  const Kernel* kernels = contract ? dispatch.library->contracted
                          : apart  ? dispatch.library->near_zero
                          : trace  ? dispatch.library->traced
                                   : dispatch.library->plain;
  int cores = std::max(1, static_cast<int>(settings.threads));
  std::vector<Tracer> tracers(static_cast<size_t>(cores),
                              Tracer(regions_of(arguments), joined_bits(dispatch.threads)));
  run_grid(dispatch.threads, dispatch.group, cores, static_cast<uint64_t>(settings.seed),
           [&](int core, uint32_t first, uint32_t last) {
             FloatMode mode(settings.flushSubnormals && !apart);
             near_zero = as_gpu;
             running = &arguments;
             current_tracer = trace ? &tracers[static_cast<size_t>(core)] : nullptr;
             kernels[dispatch.kernel].run(arguments.slots, first, last);
             current_tracer = nullptr;
             running = nullptr;
           });
  Touched touched = trace ? touched_by_trace(dispatch, tracers) : touched_by_binding(dispatch);
  counters().bytesRead += touched.reads.bytes();
  counters().bytesWritten += touched.writes.bytes();
  return touched;
}

}  // namespace metal_sim
