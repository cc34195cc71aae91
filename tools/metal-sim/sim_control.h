// The simulator's own controls: counters, settings and faults, as plain C, for C++ tests and for a
// test-only addon. Part of the simulator, never of a shipped build.
#ifndef METAL_SGD_TEST_METAL_SIM_CONTROL_H_
#define METAL_SGD_TEST_METAL_SIM_CONTROL_H_

#define METAL_SIM_EXPORT __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/// Merges a JSON object of settings (see README.md) into those in force. Returns null, or a message
/// to be freed: then nothing was changed. Settings start as the environment's `METAL_SIM`.
METAL_SIM_EXPORT char* metal_sim_configure(const char* json);

/// Back to the settings of the environment, without pending faults. Counters stay.
METAL_SIM_EXPORT void metal_sim_reset_settings(void);

/// Every counter and the number of live objects by protocol, as a JSON object; to be freed.
METAL_SIM_EXPORT char* metal_sim_counters(void);

/// Counters to zero. Live objects are counted on.
METAL_SIM_EXPORT void metal_sim_reset_counters(void);

/// Blocks until no committed command buffer is unfinished and every handler has returned.
METAL_SIM_EXPORT void metal_sim_drain(void);

#ifdef __cplusplus
}
#endif

#endif  // METAL_SGD_TEST_METAL_SIM_CONTROL_H_
