// The virtual device of hosted macOS runners has the limits that were reported for it; the others
// have typical ones of a 16 GB machine. What matters is their families.
#include "profiles.h"

namespace metal_sim {
namespace {

constexpr uint64_t kMetal3_0 = 196608, kMetal3_1 = 196609;

constexpr Profile kProfiles[] = {
    {"paravirtual", "Apple Paravirtual device", 5, false, 3758096384, 5010800640, kMetal3_0},
    {"m1", "Apple M1", 7, true, 8589934592, 11453251584, kMetal3_0},
    {"m2", "Apple M2", 8, true, 8589934592, 11453251584, kMetal3_1},
    {"m3", "Apple M3", 9, true, 9534832640, 12713115648, kMetal3_1},
    {"m4", "Apple M4", 9, true, 9534832640, 12713115648, kMetal3_1},
};

}  // namespace

const Profile* find_profile(const std::string& id) {
  for (const Profile& profile : kProfiles) {
    if (id == profile.id) return &profile;
  }
  return nullptr;
}

}  // namespace metal_sim
