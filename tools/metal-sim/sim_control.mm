// The C controls of sim_control.h.
#include "sim_control.h"

#import <Foundation/Foundation.h>

#include <cstring>

#include "counters.h"
#include "settings.h"
#include "timeline.h"

char* metal_sim_configure(const char* json) {
  auto refusal = metal_sim::configure(json);
  return refusal ? strdup(refusal->c_str()) : nullptr;
}

void metal_sim_reset_settings(void) { metal_sim::reset_settings(); }

char* metal_sim_counters(void) { return strdup(metal_sim::counters_json().c_str()); }

void metal_sim_reset_counters(void) { metal_sim::reset_counters(); }

void metal_sim_drain(void) { metal_sim::wait_until_idle(); }
