// Counters are process-wide and never destroyed: threads may still count while the process exits.
#include "counters.h"

#include <chrono>

namespace metal_sim {
namespace {

std::atomic<int64_t> live[kKinds];

thread_local int call_depth = 0;

int64_t nanoseconds() {
  using namespace std::chrono;
  return duration_cast<std::chrono::nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

void append(std::string& json, const char* name, int64_t value) {
  if (json.back() != '{') json += ',';
  json += '"';
  json += name;
  json += "\":";
  json += std::to_string(value);
}

}  // namespace

Counters& counters() {
  static Counters* all = new Counters;
  return *all;
}

CallTimer::CallTimer() : start_(call_depth++ == 0 ? nanoseconds() : 0) {}

CallTimer::~CallTimer() {
  if (--call_depth == 0) counters().callNanoseconds += nanoseconds() - start_;
}

void CallTimer::leave_out_this_thread() { call_depth = 1; }

const char* kind_name(Kind kind) {
  static const char* const kNames[kKinds] = {
      "MTLDevice", "MTLCommandQueue", "MTLCommandBuffer", "MTLComputeCommandEncoder",
      "MTLBuffer", "MTLLibrary",      "MTLFunction",      "MTLComputePipelineState"};
  return kNames[static_cast<int>(kind)];
}

void count_live(Kind kind, int difference) { live[static_cast<int>(kind)] += difference; }

std::atomic<uint64_t>& live_buffer_bytes() {
  static std::atomic<uint64_t> bytes{0};
  return bytes;
}

std::string counters_json() {
  std::string json = "{";
#define METAL_SIM_APPEND(name) append(json, #name, static_cast<int64_t>(counters().name.load()));
  METAL_SIM_COUNTERS(METAL_SIM_APPEND)
#undef METAL_SIM_APPEND
  std::string objects = "{";
  for (int kind = 0; kind < kKinds; ++kind) {
    append(objects, kind_name(static_cast<Kind>(kind)), live[kind]);
  }
  return json + ",\"live\":" + objects + "}}";
}

void reset_counters() {
#define METAL_SIM_RESET(name) counters().name = 0;
  METAL_SIM_COUNTERS(METAL_SIM_RESET)
#undef METAL_SIM_RESET
}

}  // namespace metal_sim
