#include "async_steps.h"

#include <exception>
#include <string>

#include "environment.h"
#include "step_queue.h"

namespace metal_sgd {

/// Deleted on the JavaScript thread only, since it holds a reference.
struct AsyncSteps::Job {
  SharedTree tree;
  StepSettings settings;
  napi_deferred deferred;
  Napi::ObjectReference keep;
  StepReport report;
  std::string failure;  // empty: it went well
  std::string code;     // of the failure, if it is Metal's
};

/// Opened at the first asynchronous step. The thread-safe function comes first, our hook second:
/// hooks run last-in first-out, so the work is over while the function still takes calls.
void AsyncSteps::open(Napi::Env env) {
  if (open_) return;
  completion_ = Completion::New(env, "metal-sgd", 0, 1, this);
  completion_.Unref(env);
  napi_add_env_cleanup_hook(env, &AsyncSteps::finish, this);
  open_ = true;
}

/// The environment ends: what has not begun never will, what has is waited for.
void AsyncSteps::finish(void* steps) { StepQueue::instance().finish(steps); }

Napi::Promise AsyncSteps::start(Napi::Env env, SharedTree tree, Napi::Object keep) {
  open(env);
  napi_deferred deferred;
  napi_value promise;
  StepSettings settings = tree->read(env);
  settings.gives_way = true;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) throw Napi::Error::New(env);
  auto job =
      std::make_shared<Job>(Job{tree, settings, deferred, Napi::Persistent(keep), {}, {}, {}});
  // Whoever drops the queue's entry unrun is this thread; once run, the job comes back here by
  // call.
  auto work = [job, completion = completion_]() mutable {
    try {
      job->report = job->tree->tree.run(job->settings);
    } catch (const MetalFailure& failure) {
      job->failure = failure.what();
      job->code = failure.code;
    } catch (const std::exception& error) {
      job->failure = error.what();
    }
    completion.NonBlockingCall(new std::shared_ptr<Job>(std::move(job)));
  };
  if (pending_++ == 0) completion_.Ref(env);
  try {
    StepQueue::instance().add(this, std::move(work));
  } catch (const std::exception& error) {
    job->failure = error.what();
    settle(env, Napi::Function(), this, new std::shared_ptr<Job>(job));
  }
  return Napi::Promise(env, promise);
}

/// Plain Node-API with the statuses ignored: while a worker is being terminated every call that
/// could run JavaScript fails, and node-addon-api would make an uncaught error of that.
void AsyncSteps::settle(Napi::Env env, Napi::Function, AsyncSteps* steps,
                        std::shared_ptr<Job>* call) {
  std::shared_ptr<Job> job = std::move(*call);
  delete call;
  if (env == nullptr) return;  // the environment is gone; only the job was to be released
  if (--steps->pending_ == 0) steps->completion_.Unref(env);
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value text = nullptr, code = nullptr, value = nullptr;
  if (job->failure.empty()) {
    job->tree->report(job->report);
    if (napi_get_undefined(env, &value) == napi_ok)
      napi_resolve_deferred(env, job->deferred, value);
  } else if (napi_create_string_utf8(env, job->failure.c_str(), NAPI_AUTO_LENGTH, &text) ==
                 napi_ok &&
             napi_create_string_utf8(env, job->code.c_str(), NAPI_AUTO_LENGTH, &code) == napi_ok &&
             napi_create_error(env, code, text, &value) == napi_ok) {
    napi_reject_deferred(env, job->deferred, value);
  }
  napi_close_handle_scope(env, scope);
}

/// stepAsync(tree: External, keep: object): Promise<void>
Napi::Value step_async(const Napi::CallbackInfo& info) {
  SharedTree& tree = tree_of(info[0]);
  auto* environment = info.Env().GetInstanceData<Environment>();
  return environment->async_steps.start(info.Env(), tree, info[1].As<Napi::Object>());
}

}  // namespace metal_sgd
