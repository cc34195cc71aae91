// What must hold when a dispatch is encoded.
#ifndef METAL_SGD_TEST_METAL_SIM_DISPATCH_RULES_H_
#define METAL_SGD_TEST_METAL_SIM_DISPATCH_RULES_H_

#include "dispatch.h"
#import "sim_classes.h"

namespace metal_sim {

/// Fatal: P1, P2, P3, P5, P6.
void check_sizes(SimPipeline* pipeline, MTLSize grid, MTLSize group);

/// Fatal: E2, E3, E6, E8.
void check_argument(const Kernel& kernel, const KernelArgument& argument, const Binding& binding);

}  // namespace metal_sim

#endif  // METAL_SGD_TEST_METAL_SIM_DISPATCH_RULES_H_
