// How a broken rule is told: its id, what was done, by which objects and from where. Then the
// process ends.
#ifndef METAL_SGD_TEST_METAL_SIM_REPORT_H_
#define METAL_SGD_TEST_METAL_SIM_REPORT_H_

namespace metal_sim {

/// Writes a line of Metal's own to standard error, as it stands there on a Mac.
void write_own_line(const char* text);

/// Prints "metal-sim: rule ID broken: ..." with a backtrace to stderr and aborts. Ids: RULES.md.
[[noreturn]] void violation(const char* rule, const char* format, ...)
    __attribute__((format(printf, 2, 3)));

/// For misuse of the simulator itself (an unknown setting in the environment, say).
[[noreturn]] void misuse(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace metal_sim

#endif  // METAL_SGD_TEST_METAL_SIM_REPORT_H_
