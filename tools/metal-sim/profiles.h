// Devices that the simulator can be.
#ifndef METAL_SGD_TEST_METAL_SIM_PROFILES_H_
#define METAL_SGD_TEST_METAL_SIM_PROFILES_H_

#include <cstdint>
#include <string>

namespace metal_sim {

struct Profile {
  const char* id;              ///< as settings name it
  const char* name;            ///< as the device says it
  int apple_family;            ///< the highest MTLGPUFamilyAppleN
  bool metal3;                 ///< MTLGPUFamilyMetal3
  uint64_t max_buffer_length;  ///< bytes
  uint64_t working_set;        ///< recommendedMaxWorkingSetSize, bytes
  uint64_t language_version;   ///< the newest MTLLanguageVersion that its system compiles
};

/// Null where there is none of that id.
const Profile* find_profile(const std::string& id);

}  // namespace metal_sim

#endif  // METAL_SGD_TEST_METAL_SIM_PROFILES_H_
