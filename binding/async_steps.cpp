#include "async_steps.h"

#include "environment.h"
#include "guarded.h"
#include "step_queue.h"

namespace metal_sgd {

/// Deleted on the JavaScript thread only, since it holds a reference.
struct AsyncSteps::Job {
  SharedTree tree;
  StepSettings settings;
  napi_deferred deferred;
  Napi::ObjectReference keep;
  StepReport report;
  bool failed;
  Failure failure;
  std::shared_ptr<Job> self;  // on its way back to the JavaScript thread

  void fail() {
    failed = true;
    failure = current_failure();
  }
};

/// Opened at the first asynchronous step. The thread-safe function comes first and our hook second:
/// hooks run last-in first-out, so that the work is over while the function still takes calls.
void AsyncSteps::open(Napi::Env env) {
  if (open_) return;
  completion_ = Completion::New(env, "metal-sgd", 0, 1, this);
  completion_.Unref(env);
  napi_add_env_cleanup_hook(env, &AsyncSteps::finish, this);
  open_ = true;
}

/// The environment ends: drops the steps that wait, and waits for the one that runs.
void AsyncSteps::finish(void* steps) { StepQueue::instance().finish(steps); }

Napi::Promise AsyncSteps::start(Napi::Env env, SharedTree tree, Napi::Object keep) {
  open(env);
  napi_deferred deferred;
  napi_value promise;
  StepSettings settings = tree->settings(env);
  settings.yields = true;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) throw Napi::Error::New(env);
  auto job = std::make_shared<Job>(
      Job{tree, settings, deferred, Napi::Persistent(keep), {}, false, {}, {}});
  // Only this thread drops an entry of the queue unrun. Once run, the job comes back here: it
  // carries its own reference, since the queue's thread could not report that it had no memory for
  // one.
  auto work = [job, completion = completion_]() mutable {
    try {
      job->report = job->tree->tree.run(job->settings);
    } catch (const std::exception&) {
      job->fail();
    }
    job->tree->pending.store(false, std::memory_order_release);
    Job* back = job.get();
    back->self = std::move(job);
    completion.NonBlockingCall(back);
  };
  if (pending_++ == 0) completion_.Ref(env);
  tree->pending = true;
  try {
    StepQueue::instance().add(this, std::move(work));
  } catch (const std::exception&) {
    tree->pending = false;
    job->fail();
    job->self = job;
    settle(env, Napi::Function(), this, job.get());
  }
  return Napi::Promise(env, promise);
}

/// Plain Node-API that ignores statuses: while a worker is being terminated, every call that could
/// run JavaScript fails, and node-addon-api would turn that into an uncaught error.
void AsyncSteps::settle(Napi::Env env, Napi::Function, AsyncSteps* steps, Job* back) {
  std::shared_ptr<Job> job = std::move(back->self);
  if (env == nullptr) return;  // the environment is gone; the job only had to be released
  if (--steps->pending_ == 0) steps->completion_.Unref(env);
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value text = nullptr, code = nullptr, value = nullptr;
  if (!job->failed) {
    job->tree->report(job->report);
    if (napi_get_undefined(env, &value) == napi_ok)
      napi_resolve_deferred(env, job->deferred, value);
  } else if (napi_create_string_utf8(env, job->failure.message.c_str(), NAPI_AUTO_LENGTH, &text) ==
                 napi_ok &&
             napi_create_string_utf8(env, job->failure.code.c_str(), NAPI_AUTO_LENGTH, &code) ==
                 napi_ok &&
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
