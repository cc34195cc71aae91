// Turns C++ exceptions into JavaScript errors with a code. One that left a verb would end the
// process.
#ifndef METAL_SGD_BINDING_GUARDED_H_
#define METAL_SGD_BINDING_GUARDED_H_

#include <napi.h>

#include <new>
#include <system_error>

#include "backend.h"
#include "distributed/world.h"

namespace metal_sgd {

/// What JavaScript hears of a failure.
struct Failure {
  std::string code;
  std::string message;
};

/// The failure that is being handled: call it inside a `catch`. Codes are those of lib/errors.ts.
inline Failure current_failure() {
  try {
    throw;
  } catch (const GpuFailure& failure) {
    return {failure.code(), failure.what()};
  } catch (const WorldFailure& failure) {
    return {failure.code(), failure.what()};
  } catch (const std::system_error& error) {
    return {"no-thread", std::string("the system gave no thread: ") + error.what()};
  } catch (const std::bad_alloc&) {
    return {"no-memory", "the system gave no memory; nothing was written"};
  } catch (const std::exception& error) {
    return {"addon", error.what()};
  }
}

inline Napi::Error error_of(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.message);
  error.Set("code", Napi::String::New(env, failure.code));
  return error;
}

/// Throws the exception that is being handled as a JavaScript error with its code.
[[noreturn]] inline void throw_failure(Napi::Env env) { throw error_of(env, current_failure()); }

/// Runs `work`, whose C++ exceptions become JavaScript errors.
template <typename Work>
auto guarded(Napi::Env env, Work work) {
  try {
    return work();
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception&) {
    throw_failure(env);
  }
}

}  // namespace metal_sgd

#endif  // METAL_SGD_BINDING_GUARDED_H_
