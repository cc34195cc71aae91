#include "switches.h"

#include <cstdlib>
#include <string>

namespace metal_sgd {

namespace {

/// A bit for each switch.
unsigned read_switches() {
  const char* given = std::getenv("METAL_SGD_SWITCHES");
  std::string list = "," + std::string(given ? given : "") + ",";
  unsigned bits = 0;
  for (unsigned i = 0; i < sizeof kSwitchNames / sizeof *kSwitchNames; i++)
    if (list.find("," + std::string(kSwitchNames[i]) + ",") != std::string::npos) bits |= 1u << i;
  return bits;
}

}  // namespace

bool is_on(Switch one) {
  static const unsigned switches = read_switches();
  return switches >> static_cast<unsigned>(one) & 1;
}

}  // namespace metal_sgd
