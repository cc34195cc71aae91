// Texts are those of Apple's validation layer where they are known.
#import "dispatch_rules.h"

#include "report.h"
#include "settings.h"

namespace metal_sim {
namespace {

bool has_zero(MTLSize size) { return size.width == 0 || size.height == 0 || size.depth == 0; }

void check_alignment(const KernelArgument& argument, const Binding& binding) {
  size_t unit = argument.space == AddressSpace::kConstant
                    ? static_cast<size_t>(settings()->constantOffsetAlignment)
                    : argument.alignment;
  if (binding.offset % unit == 0) return;
  violation("E6",
            "the offset into the buffer '%s' that is bound at buffer index %u must be a multiple of"
            " %zu but was set to %zu",
            argument.name, argument.index, unit, binding.offset);
}

}  // namespace

void check_sizes(SimPipeline* pipeline, MTLSize grid, MTLSize group) {
  constexpr NSUInteger kDeviceLimit = 1024;
  if (has_zero(grid)) {
    violation("P1", "threadsPerGrid (%zu * %zu * %zu) must not be 0.", grid.width, grid.height,
              grid.depth);
  }
  NSUInteger threads = group.width * group.height * group.depth;
  if (threads == 0 || threads > kDeviceLimit) {
    violation("P2", "threadsPerThreadgroup(%zu) must be 1 to 1024. (device threadgroup size limit)",
              threads);
  }
  NSUInteger limit = [pipeline maxTotalThreadsPerThreadgroup];
  if (threads > limit) {
    violation("P3",
              "threadsPerThreadgroup(%zu) must be <= %zu. (kernel threadgroup size limit of %s);"
              " without validation the dispatch is dropped in silence",
              threads, limit, describe(pipeline).c_str());
  }
  if (grid.height != 1 || grid.depth != 1 || grid.width > UINT32_MAX || threads != group.width) {
    violation("P6", "a grid of %zu x %zu x %zu does not fit the kernel's uint position", grid.width,
              grid.height, grid.depth);
  }
  if (!settings()->nonUniformThreadgroups && grid.width % group.width != 0) {
    violation(
        "P5",
        "a grid of %zu threads in groups of %zu needs a device with non-uniform thread-groups",
        grid.width, group.width);
  }
}

void check_argument(const Kernel& kernel, const KernelArgument& argument, const Binding& binding) {
  if (!binding.bound()) {
    violation("E2", "Compute Function(%s): missing buffer binding at index %u for %s[0].",
              kernel.name, argument.index, argument.name);
  }
  if (binding.length() < argument.size) {
    violation("E3",
              "argument %s[0] from buffer(%u) with offset(%zu) and length(%zu) has space for %zu"
              " bytes, but argument has a length(%zu).",
              argument.name, argument.index, binding.offset, binding.offset + binding.length(),
              binding.length(), argument.size);
  }
  if (binding.memory) {
    check_alignment(argument, binding);
  } else if (argument.writable) {
    violation("E8", "Read-only bytes are being bound at index %u to %s, which the kernel may write",
              argument.index, argument.name);
  }
}

}  // namespace metal_sim
