// Verbs of a world: promises for what the thread that owns MPI does.
#include "distributed/world.h"

#include <memory>
#include <optional>

#include "environment.h"
#include "guarded.h"
#include "view.h"

namespace metal_sgd {

namespace {

/// A call on its way there and back. Deleted on the JavaScript thread, since it holds references.
struct Call {
  std::function<void(Call&)> work;
  napi_deferred deferred;
  Napi::ObjectReference keep;  // the arrays that MPI reads and writes
  napi_threadsafe_function back;
  std::optional<Failure> failure;
  std::optional<Joined> joined;
};

napi_value result_of(Napi::Env env, const Call& call) {
  if (!call.joined) return env.Undefined();
  auto found = Napi::Object::New(env);
  found["library"] = Napi::String::New(env, call.joined->library);
  found["rank"] = Napi::Number::New(env, call.joined->rank);
  found["size"] = Napi::Number::New(env, call.joined->size);
  return found;
}

void settle(napi_env raw, napi_value, void*, void* data) {
  std::unique_ptr<Call> call(static_cast<Call*>(data));
  if (!raw) {  // the environment is gone, and its references with it
    call->keep.SuppressDestruct();
    return;
  }
  Napi::Env env(raw);
  Napi::HandleScope scope(env);
  if (call->failure) {
    napi_reject_deferred(env, call->deferred, error_of(env, *call->failure).Value());
  } else {
    napi_resolve_deferred(env, call->deferred, result_of(env, *call));
  }
}

void send_back(Call* call) {
  napi_threadsafe_function back = call->back;
  if (napi_call_threadsafe_function(back, call, napi_tsfn_nonblocking) != napi_closing)
    napi_release_threadsafe_function(back, napi_tsfn_release);
}

/// Runs `work` on MPI's thread. Keeps `keep` until it is done, and the process unless somebody else
/// limits the time.
Napi::Value start(Napi::Env env, Napi::Value keep, std::function<void(Call&)> work,
                  bool holds_process = true) {
  auto call = std::make_unique<Call>();
  call->work = std::move(work);
  if (keep.IsObject()) call->keep = Napi::Persistent(keep.As<Napi::Object>());
  napi_value promise;
  napi_create_promise(env, &call->deferred, &promise);
  napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "metal-sgd world"),
                                  0, 1, nullptr, nullptr, nullptr, settle, &call->back);
  if (!holds_process) napi_unref_threadsafe_function(env, call->back);
  Call* sent = call.release();
  try {
    on_world_thread([sent] {
      try {
        sent->work(*sent);
      } catch (const std::exception&) {
        sent->failure = current_failure();
      }
      send_back(sent);
    });
  } catch (const std::exception&) {  // the system gave no thread
    sent->failure = current_failure();
    send_back(sent);
  }
  return Napi::Value(env, promise);
}

double number(const Napi::CallbackInfo& info, size_t index) {
  return info[index].As<Napi::Number>().DoubleValue();
}

}  // namespace

/// worldJoin(libraries: string[]): Promise<{ library, rank, size }> - opens the first that
/// is there, once for the process.
Napi::Value world_join(const Napi::CallbackInfo& info) {
  auto given = info[0].As<Napi::Array>();
  std::vector<std::string> paths;
  for (uint32_t i = 0; i < given.Length(); i++)
    paths.push_back(given.Get(i).As<Napi::String>().Utf8Value());
  return start(
      info.Env(), info.Env().Undefined(), [paths](Call& call) { call.joined = join_world(paths); },
      false);
}

/// worldGather(data: Uint8Array, bytes: number, timeout: number): Promise<void> - `data` holds so
/// many bytes of each rank; this rank's are there already. `timeout` in seconds, here and below.
Napi::Value world_gather(const Napi::CallbackInfo& info) {
  char* data = view_of(info[0]).data;
  auto bytes = static_cast<size_t>(number(info, 1));
  double timeout = number(info, 2);
  return start(info.Env(), info[0], [=](Call&) { gather(data, bytes, timeout); });
}

/// worldSum(arrays: (Float32Array | Float64Array)[], isDouble: boolean, bucketBytes: number,
///          flushSubnormals: boolean, divisor: number, timeout: number): Promise<void>
/// Arrays come in pairs: the first is read, and the second gets its sum in the order of ranks,
/// divided. The two may be one.
Napi::Value world_sum(const Napi::CallbackInfo& info) {
  Dtype dtype = info[1].As<Napi::Boolean>() ? Dtype::kFloat64 : Dtype::kFloat32;
  auto given = info[0].As<Napi::Array>();
  std::vector<RankPiece> pieces;
  for (uint32_t i = 0; i < given.Length(); i += 2) {
    Napi::HandleScope scope(info.Env());
    View from = view_of(given.Get(i)), to = view_of(given.Get(i + 1));
    pieces.push_back({from.data, to.data, to.length * item_size(dtype)});
  }
  RankSum how{static_cast<size_t>(number(info, 2)),
              info[3].As<Napi::Boolean>() ? Subnormals::kFlush : Subnormals::kKeep,
              number(info, 4)};
  double timeout = number(info, 5);
  return start(info.Env(), info[0], [=](Call&) { sum_over_ranks(pieces, dtype, how, timeout); });
}

/// worldBroadcast(data: Uint8Array, timeout: number): Promise<void> - rank 0's bytes, in place.
Napi::Value world_broadcast(const Napi::CallbackInfo& info) {
  View view = view_of(info[0]);
  double timeout = number(info, 1);
  return start(info.Env(), info[0], [=](Call&) { broadcast(view.data, view.length, timeout); });
}

/// worldLeave(): Promise<void> - no verb of the world may follow. Waits for ever for ranks that do
/// not leave.
Napi::Value world_leave(const Napi::CallbackInfo& info) {
  return start(info.Env(), info.Env().Undefined(), [](Call&) { leave_world(); });
}

}  // namespace metal_sgd
