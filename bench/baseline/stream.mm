// The GPU's limit: the kernel in stream.metal, as a process that bench/children/gpu.ts asks. A line
// of standard input is a command, a line of standard output its answer:
//   open COUNT  -> ok | no memory; float32 elements of each array, a multiple of 4
//   time STEPS  -> nanoseconds by the GPU's clock and by the wall clock, of each step
//   right       -> 1 | 0: is the result right?
// The argument of the program is the kernel's file.
#import <Metal/Metal.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <iostream>
#include <iterator>
#include <string>

#include "owned.h"

namespace {

using metal_sgd::Owned;

/// As in stream.metal.
struct Geometry {
  uint32_t vectors, threads;
};

struct Times {
  double gpu, wall;  // nanoseconds
};

constexpr int kArrays = 3;
constexpr int kTrials = 3;

[[noreturn]] void fail(const std::string& what, NSError* error = nil) {
  std::cerr << "Error: " << what
            << (error ? std::string(": ") + [[error localizedDescription] UTF8String] : "")
            << std::endl;
  std::exit(1);
}

NSString* text(const std::string& words) {
  return [NSString stringWithCString:words.c_str() encoding:NSUTF8StringEncoding];
}

Owned<id<MTLDevice>> choose_device() {
  Owned<id<MTLDevice>> device(MTLCreateSystemDefaultDevice());
  if (device) return device;
  Owned<NSArray*> all(MTLCopyAllDevices());
  if ([all.get() count] == 0) fail("Metal has no device");
  return Owned<id<MTLDevice>>::retained([all.get() objectAtIndex:0]);
}

/// What an array begins with; small whole numbers, so that sums are exact.
float first_value(int array, size_t i) { return static_cast<float>((i + array) % (5 + array)); }

class Stream {
 public:
  explicit Stream(const std::string& source) : device_(choose_device()) {
    Owned<MTLCompileOptions*> options([[MTLCompileOptions alloc] init]);
    [options.get() setFastMathEnabled:NO];
    [options.get() setLanguageVersion:MTLLanguageVersion2_3];
    NSError* error = nil;
    Owned<id<MTLLibrary>> library([device_.get() newLibraryWithSource:text(source)
                                                              options:options.get()
                                                                error:&error]);
    if (!library) fail("the streaming kernel does not compile", error);
    Owned<id<MTLFunction>> function([library.get() newFunctionWithName:@"stream"]);
    if (!function) fail("there is no streaming kernel");
    pipeline_ = Owned<id<MTLComputePipelineState>>(
        [device_.get() newComputePipelineStateWithFunction:function.get() error:&error]);
    queue_ = Owned<id<MTLCommandQueue>>([device_.get() newCommandQueue]);
    if (!pipeline_ || !queue_) fail("Metal made no pipeline or no queue", error);
  }

  /// Finds the fastest geometry too.
  bool open(size_t elements) {
    steps_ = 0;
    elements_ = elements;
    for (auto& array : arrays_) {
      array = {};
      array =
          Owned<id<MTLBuffer>>([device_.get() newBufferWithLength:elements * sizeof(float)
                                                          options:MTLResourceStorageModeShared]);
      if (!array) return false;
    }
    for (int array = 0; array < kArrays; array++)
      for (size_t i = 0; i < elements; i++) values(array)[i] = first_value(array, i);
    choose_geometry();
    return true;
  }

  /// One command buffer, committed and waited for.
  Times step() {
    auto start = std::chrono::steady_clock::now();
    id<MTLCommandBuffer> commands = [queue_.get() commandBuffer];
    id<MTLComputeCommandEncoder> encoder =
        [commands computeCommandEncoderWithDispatchType:MTLDispatchTypeConcurrent];
    if (!encoder) fail("Metal made no command buffer");
    [encoder setComputePipelineState:pipeline_.get()];
    for (int array = 0; array < kArrays; array++)
      [encoder setBuffer:arrays_[array].get() offset:0 atIndex:array];
    [encoder setBytes:&geometry_ length:sizeof geometry_ atIndex:kArrays];
    [encoder dispatchThreads:MTLSizeMake(geometry_.threads, 1, 1)
        threadsPerThreadgroup:MTLSizeMake(group_, 1, 1)];
    [encoder endEncoding];
    [commands commit];
    [commands waitUntilCompleted];
    std::chrono::duration<double, std::nano> wall = std::chrono::steady_clock::now() - start;
    if ([commands status] != MTLCommandBufferStatusCompleted)
      fail("a command buffer failed", [commands error]);
    steps_++;
    return {([commands GPUEndTime] - [commands GPUStartTime]) * 1e9, wall.count()};
  }

  /// Two steps add b to a and to c; one more leaves b + c in a, and a in c.
  bool right() const {
    for (size_t i = 0; i < elements_; i++) {
      float b = first_value(1, i), added = static_cast<float>(steps_ / 2) * b;
      float a = first_value(0, i) + added, c = first_value(2, i) + added;
      bool odd = steps_ % 2 == 1;
      if (values(0)[i] != (odd ? b + c : a) || values(1)[i] != b || values(2)[i] != (odd ? a : c))
        return false;
    }
    return true;
  }

 private:
  float* values(int array) const { return static_cast<float*>([arrays_[array].get() contents]); }

  void choose_geometry() {
    uint32_t vectors = static_cast<uint32_t>(elements_ / 4);
    double best = -1;
    Geometry best_geometry{};
    NSUInteger best_group = 0;
    for (NSUInteger group : {64, 256, 1024}) {
      for (uint32_t per_thread : {1, 4}) {
        geometry_ = {vectors, (vectors + per_thread - 1) / per_thread};
        group_ = std::min(group, [pipeline_.get() maxTotalThreadsPerThreadgroup]);
        for (int i = 0; i < kTrials; i++) {
          double took = step().gpu;
          if (best >= 0 && took >= best) continue;
          best = took;
          best_geometry = geometry_;
          best_group = group_;
        }
      }
    }
    geometry_ = best_geometry;
    group_ = best_group;
  }

  Owned<id<MTLDevice>> device_;
  Owned<id<MTLComputePipelineState>> pipeline_;
  Owned<id<MTLCommandQueue>> queue_;
  Owned<id<MTLBuffer>> arrays_[kArrays];
  size_t elements_ = 0, steps_ = 0;
  Geometry geometry_{};
  NSUInteger group_ = 0;
};

std::string read(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(std::string("no file ") + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void answer(Stream& stream, const std::string& command) {
  size_t number = 0;
  if (command == "open" && std::cin >> number) {
    std::cout << (stream.open(number) ? "ok" : "no memory");
  } else if (command == "time" && std::cin >> number) {
    for (size_t i = 0; i < number; i++) {
      @autoreleasepool {
        Times times = stream.step();
        std::cout << times.gpu << ' ' << times.wall << ' ';
      }
    }
  } else if (command == "right") {
    std::cout << stream.right();
  } else {
    fail("unknown command " + command);
  }
  std::cout << std::endl;
}

}  // namespace

int main(int count, char** arguments) {
  std::signal(SIGINT, SIG_IGN);  // Ctrl-C is the asking process's: we end with our input
  if (count != 2) fail("expected the kernel's file");
  @autoreleasepool {
    Stream stream(read(arguments[1]));
    for (std::string command; std::cin >> command;) {
      @autoreleasepool {
        answer(stream, command);
      }
    }
  }
  return 0;
}
