// Faults and delays that a test may ask for, and what the program sees of them.
#import "harness.h"

#include <unistd.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "sim_control.h"

namespace {

constexpr unsigned kCount = 4096;

double seconds() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

/// One step on y; true if it completed.
bool step(float* y) {
  Work work = begin();
  id<MTLBuffer> target = wrap(y, kCount);
  id<MTLBuffer> source = wrap(pages(kCount, 0), kCount);
  encode_scale(work, target, source, kCount);
  finish(work);
  [target release];
  [source release];
  return [work.commands status] == MTLCommandBufferStatusCompleted;
}

id<MTLLibrary> compile(const char* text, NSError** error) {
  return [device() newLibraryWithSource:[NSString stringWithUTF8String:text]
                                options:nil
                                  error:error];
}

}  // namespace

WORKS(every_command_buffer_error) {
  const int codes[] = {1 /* internal */,
                       MTLCommandBufferErrorTimeout,
                       MTLCommandBufferErrorPageFault,
                       MTLCommandBufferErrorAccessRevoked,
                       MTLCommandBufferErrorNotPermitted,
                       MTLCommandBufferErrorOutOfMemory,
                       MTLCommandBufferErrorInvalidResource,
                       10 /* memoryless */,
                       MTLCommandBufferErrorDeviceRemoved,
                       MTLCommandBufferErrorStackOverflow};
  float* y = pages(kCount, 0);
  for (int code : codes) {
    configure(("{\"faults\":[{\"at\":\"commit\",\"code\":" + std::to_string(code) + "}]}").c_str());
    Work work = begin();
    encode_scale(work, wrap(y, kCount), wrap(pages(kCount, 0), kCount), kCount);
    finish(work);
    CHECK([work.commands status] == MTLCommandBufferStatusError);
    CHECK([[work.commands error] code] == code);
    CHECK([[[work.commands error] domain] isEqualToString:@"MTLCommandBufferErrorDomain"]);
    CHECK([[[work.commands error] localizedDescription] length] > 40);
    CHECK(y[7] == 7);
  }
  CHECK(step(y) && y[7] == 15);
}

WORKS(failure_after_some_commits) {
  configure("{\"faults\":[{\"at\":\"commit\",\"after\":2,\"count\":2}]}");
  float* y = pages(kCount, 0);
  const bool expected[] = {true, true, false, false, true};
  for (bool good : expected) CHECK(step(y) == good);
}

WORKS(failure_that_leaves_half_of_the_writes) {
  configure("{\"faults\":[{\"at\":\"commit\",\"partial\":true}]}");
  float* y = pages(kCount, 0);
  CHECK(!step(y));
  CHECK(y[1] == 3 && y[kCount - 1] == kCount - 1);
}

WORKS(handler_runs_after_a_failure) {
  configure("{\"faults\":[{\"at\":\"commit\",\"code\":8,\"message\":\"no room\"}]}");
  Work work = begin();
  [work.encoder endEncoding];
  __block bool told = false;
  [work.commands addCompletedHandler:^(id<MTLCommandBuffer> commands) {
    told = [commands status] == MTLCommandBufferStatusError &&
           [[[commands error] localizedDescription] isEqualToString:@"no room"];
  }];
  [work.commands commit];
  metal_sim_drain();
  CHECK(told);
}

WORKS(nil_from_every_creating_call) {
  const char* const calls[] = {
      "newCommandQueue",      "newBufferWithLength",   "newBufferWithBytesNoCopy",
      "newLibraryWithSource", "newFunctionWithName",   "newComputePipelineStateWithFunction",
      "commandBuffer",        "computeCommandEncoder", "MTLCreateSystemDefaultDevice"};
  std::string good_text = text_of("good");
  id<MTLLibrary> good = library("good");
  id<MTLFunction> function = [good newFunctionWithName:@"scale_half"];
  for (const char* call : calls) {
    configure((std::string("{\"faults\":[{\"at\":\"") + call + "\"}]}").c_str());
    auto fails = [call](const char* name, id made) {
      CHECK((made == nil) == (strcmp(call, name) == 0));
    };
    fails("newCommandQueue", [device() newCommandQueue]);
    fails("newBufferWithLength", [device() newBufferWithLength:4 options:kUntracked]);
    fails("newBufferWithBytesNoCopy", wrap(pages(1, 0), 1));
    fails("newLibraryWithSource", compile(good_text.c_str(), nullptr));
    fails("newFunctionWithName", [good newFunctionWithName:@"scale_half"]);
    fails("newComputePipelineStateWithFunction",
          [device() newComputePipelineStateWithFunction:function error:nullptr]);
    fails("commandBuffer", [queue() commandBuffer]);
    SimComputeEncoder* encoder = encoder_of(commands_of(queue()));
    fails("computeCommandEncoder", encoder);
    [encoder endEncoding];
    fails("MTLCreateSystemDefaultDevice", MTLCreateSystemDefaultDevice());
  }
}

WORKS(compile_error_has_its_text) {
  configure("{\"faults\":[{\"at\":\"newLibraryWithSource\",\"message\":\"program_source:7:1: "
            "error: odd\"}]}");
  NSError* error = nil;
  CHECK(compile("anything", &error) == nil);
  CHECK([error code] == MTLLibraryErrorCompileFailure);
  CHECK([[error localizedDescription] isEqualToString:@"program_source:7:1: error: odd"]);
}

WORKS(text_of_another_build_does_not_compile) {
  NSError* error = nil;
  CHECK(compile("kernel void unknown() {}", &error) == nil);
  CHECK([[error localizedDescription] length] > 20);
}

WORKS(warning_with_a_library) {
  configure("{\"compileWarning\":true}");
  MTLCompileOptions* options = [[[MTLCompileOptions alloc] init] autorelease];
  CHECK(options.fastMathEnabled);
  CHECK(library("good") != nil);
}

WORKS(unknown_function_is_nil) { CHECK([library("good") newFunctionWithName:@"absent"] == nil); }

BREAKS("L2", pipeline_of_an_unknown_function) {
  id<MTLFunction> absent = [library("good") newFunctionWithName:@"absent"];
  [device() newComputePipelineStateWithFunction:absent error:nullptr];
}

WORKS(names_of_functions) {
  NSArray* names = [static_cast<SimLibrary*>(library("good")) functionNames];
  CHECK([names count] == 3 && [[names objectAtIndex:0] isEqualToString:@"scale_vector"]);
}

WORKS(pipeline_error_has_its_text) {
  configure("{\"faults\":[{\"at\":\"newComputePipelineStateWithFunction\",\"code\":2}]}");
  id<MTLFunction> function = [library("good") newFunctionWithName:@"scale_half"];
  NSError* error = nil;
  CHECK([device() newComputePipelineStateWithFunction:function error:&error] == nil);
  CHECK([error code] == 2 && [[error localizedDescription] isEqualToString:@"Compilation failed"]);
}

WORKS(latencies_are_kept) {
  float* y = pages(kCount, 0);
  CHECK(step(y));
  configure("{\"compileLatencyMs\":80,\"pipelineLatencyMs\":70,\"stepLatencyMs\":60,"
            "\"completionDelayMs\":50}");
  double start = seconds();
  id<MTLLibrary> slow = library("good");
  CHECK(seconds() - start >= 0.08);
  start = seconds();
  [device() newComputePipelineStateWithFunction:[slow newFunctionWithName:@"scale_half"]
                                          error:nullptr];
  CHECK(seconds() - start >= 0.07);
  start = seconds();
  Work work = begin();
  encode_scale(work, wrap(y, kCount), wrap(pages(kCount, 0), kCount), kCount);
  [work.encoder endEncoding];
  [work.commands commit];
  CHECK(seconds() - start < 0.05);
  [work.commands waitUntilCompleted];
  CHECK(seconds() - start >= 0.11);
  CHECK([work.commands GPUEndTime] - [work.commands GPUStartTime] >= 0.06);
}

WORKS(handlers_on_fresh_threads) {
  configure("{\"freshHandlerThreads\":true}");
  static std::thread::id threads[2];
  for (int i = 0; i < 2; ++i) {
    Work work = begin();
    [work.encoder endEncoding];
    [work.commands addCompletedHandler:^(id<MTLCommandBuffer>) {
      threads[i] = std::this_thread::get_id();
      usleep(1000);
    }];
    [work.commands commit];
  }
  metal_sim_drain();
  CHECK(threads[0] != std::this_thread::get_id() && threads[1] != std::thread::id());
}

WORKS(completion_out_of_order) {
  configure("{\"outOfOrder\":true,\"stepLatencyMs\":30}");
  static int order[3], next;
  for (int i = 0; i < 3; ++i) {
    Work work = begin();
    [work.encoder endEncoding];
    [work.commands addCompletedHandler:^(id<MTLCommandBuffer>) {
      order[next++] = i;
    }];
    [work.commands commit];
  }
  metal_sim_drain();
  CHECK(order[0] == 2 && order[1] == 1 && order[2] == 0);
}

WORKS(settings_are_refused_whole) {
  char* refusal = metal_sim_configure("{\"maxBufferLength\":65536,\"unknown\":1}");
  CHECK(refusal && strstr(refusal, "unknown"));
  CHECK([device() maxBufferLength] > 65536);
  CHECK(metal_sim_configure("[1]") != nullptr);
  CHECK(metal_sim_configure("{\"faults\":[{\"at\":\"nowhere\"}]}") != nullptr);
  CHECK(metal_sim_configure("{\"devices\":[\"m0\"]}") != nullptr);
  configure("{\"maxBufferLength\":65536}");
  CHECK([device() maxBufferLength] == 65536);
  metal_sim_reset_settings();
  CHECK([device() maxBufferLength] > 65536);
}
