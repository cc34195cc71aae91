// Names of Metal that Metal.h lacks, since the shipped sources do not use them. The simulator knows
// them all the same (the methods are in sim_classes.h), so that its rules about them have cases.
#ifndef METAL_SGD_TEST_METAL_SIM_UNDECLARED_H_
#define METAL_SGD_TEST_METAL_SIM_UNDECLARED_H_

#import <Metal/Metal.h>

typedef void (^MTLCommandBufferHandler)(id<MTLCommandBuffer>);

enum : MTLResourceOptions { MTLResourceHazardTrackingModeTracked = 512 };

constexpr auto MTLLanguageVersion3_1 = static_cast<MTLLanguageVersion>(196609);

#endif  // METAL_SGD_TEST_METAL_SIM_UNDECLARED_H_
