// Errors in Metal's words.
#import "sim_classes.h"

namespace metal_sim {
namespace {

struct Wording {
  int code;
  const char* text;  ///< as seen in the logs of programs on real Macs
};

constexpr Wording kWordings[] = {
    {MTLCommandBufferErrorTimeout,
     "Caused GPU Timeout Error (00000002:kIOGPUCommandBufferCallbackErrorTimeout)"},
    {MTLCommandBufferErrorPageFault,
     "Caused GPU Address Fault Error (0000000b:kIOGPUCommandBufferCallbackErrorPageFault)"},
    {MTLCommandBufferErrorAccessRevoked,
     "Ignored (for causing prior/excessive GPU errors)"
     " (00000004:kIOGPUCommandBufferCallbackErrorSubmissionsIgnored)"},
    {MTLCommandBufferErrorOutOfMemory,
     "Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)"},
    {MTLCommandBufferErrorInvalidResource,
     "Invalid Resource (00000009:kIOGPUCommandBufferCallbackErrorInvalidResource)"},
};

std::string wording(int code) {
  for (const Wording& known : kWordings) {
    if (known.code == code) return known.text;
  }
  return "Internal Error (error code " + std::to_string(code) + ")";
}

}  // namespace

NSError* make_error(NSString* domain, NSInteger code, const std::string& text) {
  NSDictionary* info =
      [NSDictionary dictionaryWithObject:[NSString stringWithUTF8String:text.c_str()]
                                  forKey:NSLocalizedDescriptionKey];
  return [NSError errorWithDomain:domain code:code userInfo:info];
}

NSError* command_buffer_error(const Fault& fault) {
  std::string text =
      fault.message.empty()
          ? "Execution of the command buffer was aborted due to an error during execution. " +
                wording(fault.code)
          : fault.message;
  return make_error(@"MTLCommandBufferErrorDomain", fault.code, text);
}

}  // namespace metal_sim
