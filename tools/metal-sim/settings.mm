// Settings and faults: a JSON object, from the environment's METAL_SIM at first use or from a test.
#include "settings.h"

#import <Foundation/Foundation.h>

#include <cstdlib>
#include <mutex>

#include "clock.h"
#include "profiles.h"
#include "report.h"

namespace metal_sim {
namespace {

struct Store {
  std::mutex mutex;
  std::shared_ptr<const Settings> settings;
  std::vector<Fault> faults;
};

struct Flag {
  NSString* name;
  bool Settings::*field;
};
const Flag kFlags[] = {
    {@"defaultDevice", &Settings::defaultDevice},
    {@"nonUniformThreadgroups", &Settings::nonUniformThreadgroups},
    {@"mathMode", &Settings::mathMode},
    {@"flushSubnormals", &Settings::flushSubnormals},
    {@"positiveZero", &Settings::positiveZero},
    {@"flushBeforeRounding", &Settings::flushBeforeRounding},
    {@"metalsOwnLines", &Settings::metalsOwnLines},
    {@"reciprocalDivision", &Settings::reciprocalDivision},
    {@"contract", &Settings::contract},
    {@"emptyKernel", &Settings::emptyKernel},
    {@"trace", &Settings::trace},
    {@"outOfOrder", &Settings::outOfOrder},
    {@"freshHandlerThreads", &Settings::freshHandlerThreads},
    {@"compileWarning", &Settings::compileWarning},
};

template <typename Owner>
struct Quantity {
  NSString* name;
  double Owner::*field;
};
const Quantity<Settings> kQuantities[] = {
    {@"maxBufferLength", &Settings::maxBufferLength},
    {@"recommendedMaxWorkingSetSize", &Settings::recommendedMaxWorkingSetSize},
    {@"maxTotalThreadsPerThreadgroup", &Settings::maxTotalThreadsPerThreadgroup},
    {@"constantOffsetAlignment", &Settings::constantOffsetAlignment},
    {@"threads", &Settings::threads},
    {@"seed", &Settings::seed},
    {@"compileLatencyMs", &Settings::compileLatencyMs},
    {@"pipelineLatencyMs", &Settings::pipelineLatencyMs},
    {@"stepLatencyMs", &Settings::stepLatencyMs},
    {@"completionDelayMs", &Settings::completionDelayMs},
};

const Quantity<Clock> kClockQuantities[] = {
    {@"speed", &Clock::speed},
    {@"latency", &Clock::latency},
    {@"idlePenalty", &Clock::idlePenalty},
    {@"coldStart", &Clock::coldStart},
};

NSString* const kFaultPoints[] = {
    @"MTLCreateSystemDefaultDevice",
    @"newCommandQueue",
    @"commandBuffer",
    @"computeCommandEncoder",
    @"newBufferWithLength",
    @"newBufferWithBytesNoCopy",
    @"newLibraryWithSource",
    @"newFunctionWithName",
    @"newComputePipelineStateWithFunction",
    @"commit",
};

std::string text_of(id value) { return [[value description] UTF8String]; }

/// Thrown with a message for the user; never leaves this file.
struct Refused {
  std::string message;
};

NSNumber* number(NSString* name, id value) {
  if (![value isKindOfClass:[NSNumber class]]) {
    throw Refused{text_of(name) + ": expected a number or a boolean, received " + text_of(value)};
  }
  return value;
}

std::vector<std::string> device_list(id value) {
  NSArray* list = [value isKindOfClass:[NSArray class]] ? value : [NSArray arrayWithObject:value];
  std::vector<std::string> devices;
  for (NSUInteger i = 0; i < [list count]; ++i) {
    devices.push_back(text_of([list objectAtIndex:i]));
    if (!find_profile(devices.back())) {
      throw Refused{"devices: unknown profile '" + devices.back() +
                    "' (paravirtual, m1, m2, m3, m4)"};
    }
  }
  return devices;
}

/// False if the table has no such name.
template <typename Owner, size_t kCount>
bool set_quantity(Owner& owner, const Quantity<Owner> (&table)[kCount], NSString* key, id value) {
  for (const Quantity<Owner>& quantity : table) {
    if (![key isEqualToString:quantity.name]) continue;
    owner.*quantity.field = [number(key, value) doubleValue];
    return true;
  }
  return false;
}

Clock clock_of(id value) {
  if (![value isKindOfClass:[NSDictionary class]]) throw Refused{"clock: expected an object"};
  Clock clock;
  NSEnumerator* keys = [value keyEnumerator];
  for (NSString* key = [keys nextObject]; key; key = [keys nextObject]) {
    if (!set_quantity(clock, kClockQuantities, key, [value objectForKey:key]))
      throw Refused{"clock: unknown field '" + text_of(key) + "'"};
  }
  if (clock.speed <= 0) throw Refused{"clock: expected a speed above 0"};
  return clock;
}

Fault fault_of(id value) {
  if (![value isKindOfClass:[NSDictionary class]]) throw Refused{"faults: expected objects"};
  Fault fault;
  NSEnumerator* keys = [value keyEnumerator];
  for (NSString* key = [keys nextObject]; key; key = [keys nextObject]) {
    id field = [value objectForKey:key];
    if ([key isEqualToString:@"at"])
      fault.at = text_of(field);
    else if ([key isEqualToString:@"message"])
      fault.message = text_of(field);
    else if ([key isEqualToString:@"after"])
      fault.after = [number(key, field) longValue];
    else if ([key isEqualToString:@"count"])
      fault.count = [number(key, field) longValue];
    else if ([key isEqualToString:@"code"])
      fault.code = [number(key, field) intValue];
    else if ([key isEqualToString:@"partial"])
      fault.partial = [number(key, field) boolValue];
    else
      throw Refused{"faults: unknown field '" + text_of(key) + "'"};
  }
  for (NSString* point : kFaultPoints) {
    if (fault.at == [point UTF8String]) return fault;
  }
  throw Refused{"faults: no call named '" + fault.at + "' can fail"};
}

bool set_field(Settings& settings, NSString* key, id value) {
  for (const Flag& flag : kFlags) {
    if (![key isEqualToString:flag.name]) continue;
    settings.*flag.field = [number(key, value) boolValue];
    return true;
  }
  if (set_quantity(settings, kQuantities, key, value)) return true;
  if ([key isEqualToString:@"devices"]) {
    settings.devices = device_list(value);
  } else if ([key isEqualToString:@"unifiedMemory"]) {
    settings.unifiedMemory = [number(key, value) boolValue];
  } else if ([key isEqualToString:@"clock"]) {
    settings.clock = clock_of(value);
    clock_restart();
  } else if ([key isEqualToString:@"contractOnly"]) {
    settings.contractOnly = text_of(value);
  } else {
    return false;
  }
  return true;
}

/// Merges into copies first, so that a refused text changes nothing.
void merge(const std::string& json, Settings& settings, std::vector<Fault>& faults) {
  NSData* data = [NSData dataWithBytes:json.data() length:json.size()];
  NSError* error = nil;
  id root = [NSJSONSerialization JSONObjectWithData:data options:0 error:&error];
  if (![root isKindOfClass:[NSDictionary class]]) throw Refused{"expected a JSON object: " + json};
  NSEnumerator* keys = [root keyEnumerator];
  for (NSString* key = [keys nextObject]; key; key = [keys nextObject]) {
    id value = [root objectForKey:key];
    if ([key isEqualToString:@"faults"]) {
      if (![value isKindOfClass:[NSArray class]]) throw Refused{"faults: expected an array"};
      faults.clear();
      for (NSUInteger i = 0; i < [value count]; ++i) {
        faults.push_back(fault_of([value objectAtIndex:i]));
      }
    } else if (!set_field(settings, key, value)) {
      throw Refused{"unknown setting '" + text_of(key) + "'"};
    }
  }
}

std::optional<std::string> apply(Store& store, const std::string& json) {
  NSAutoreleasePool* pool = [[NSAutoreleasePool alloc] init];
  std::optional<std::string> refusal;
  try {
    Settings changed = *store.settings;
    std::vector<Fault> faults = store.faults;
    merge(json, changed, faults);
    store.settings = std::make_shared<const Settings>(changed);
    store.faults = faults;
  } catch (const Refused& refused) {
    refusal = refused.message;
  }
  [pool drain];
  return refusal;
}

void load_environment(Store& store) {
  store.settings = std::make_shared<const Settings>();
  store.faults.clear();
  const char* json = getenv("METAL_SIM");
  if (!json || !*json) return;
  if (auto refusal = apply(store, json)) misuse("METAL_SIM: %s", refusal->c_str());
}

Store& store() {
  static Store* only = [] {
    Store* made = new Store;
    load_environment(*made);
    return made;
  }();
  return *only;
}

}  // namespace

std::shared_ptr<const Settings> settings() {
  std::lock_guard<std::mutex> lock(store().mutex);
  return store().settings;
}

std::optional<std::string> configure(const std::string& json) {
  std::lock_guard<std::mutex> lock(store().mutex);
  return apply(store(), json);
}

void reset_settings() {
  std::lock_guard<std::mutex> lock(store().mutex);
  load_environment(store());
}

std::optional<Fault> take_fault(const char* at) {
  std::lock_guard<std::mutex> lock(store().mutex);
  for (Fault& fault : store().faults) {
    if (fault.at != at || fault.count == 0) continue;
    if (fault.after > 0) {
      --fault.after;
      continue;
    }
    --fault.count;
    return fault;
  }
  return std::nullopt;
}

}  // namespace metal_sim
