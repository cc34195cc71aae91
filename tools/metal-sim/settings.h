// What the simulator was asked to be, and which faults are still to come. Names as in README.md.
#ifndef METAL_SGD_TEST_METAL_SIM_SETTINGS_H_
#define METAL_SGD_TEST_METAL_SIM_SETTINGS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace metal_sim {

/// A call that fails: the one after `after` good ones, and the `count - 1` that follow it.
struct Fault {
  std::string at;        ///< the call: a creating selector up to its first colon, or "commit"
  long after = 0;        ///< calls that still go well
  long count = 1;        ///< calls that fail then
  int code = 1;          ///< of the NSError
  std::string message;   ///< its text; empty: Metal's own for that code
  bool partial = false;  ///< "commit": half of what the kernels wrote reaches the host
};

/// What steps take by the simulated clock.
struct Clock {
  double speed = 1;        ///< of the GPU, in bytes a second; the CPU's is 1
  double latency = 0;      ///< seconds of each command buffer
  double idlePenalty = 0;  ///< seconds more after a pause of about a second
  double coldStart = 0;    ///< seconds more of the first step on the GPU
};

/// Negative numbers and `std::nullopt` mean: what the device profile says.
struct Settings {
  std::vector<std::string> devices{"m1"};
  bool defaultDevice = true;
  std::optional<bool> unifiedMemory;
  double maxBufferLength = -1;
  double recommendedMaxWorkingSetSize = -1;
  double maxTotalThreadsPerThreadgroup = 1024;
  bool nonUniformThreadgroups = true;
  double constantOffsetAlignment = 4;
  bool mathMode = true;
  bool flushSubnormals = true;
  bool positiveZero = false;
  bool flushBeforeRounding = false;
  bool metalsOwnLines = false;
  bool reciprocalDivision = false;
  bool contract = false;
  std::string contractOnly;  ///< the one kernel that `contract` is about; empty: all
  bool emptyKernel = false;
  bool trace = true;
  double threads = 3;
  double seed = 1;
  double compileLatencyMs = 0;
  double pipelineLatencyMs = 0;
  double stepLatencyMs = 0;
  double completionDelayMs = 0;
  bool outOfOrder = false;
  bool freshHandlerThreads = false;
  bool compileWarning = false;
  std::optional<Clock> clock;  ///< none: the real one
};

/// Those in force. Cheap; hold on to the result for one consistent view.
std::shared_ptr<const Settings> settings();

/// Null, or why the text was refused.
std::optional<std::string> configure(const std::string& json);
void reset_settings();

/// Counts one call of `at`; the fault if that call is to fail.
std::optional<Fault> take_fault(const char* at);

}  // namespace metal_sim

#endif  // METAL_SGD_TEST_METAL_SIM_SETTINGS_H_
