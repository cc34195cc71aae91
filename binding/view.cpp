#include "view.h"

namespace metal_sgd {

View view_of(const Napi::Value& value) {
  void* data = nullptr;
  size_t length = 0;
  napi_status status =
      napi_get_typedarray_info(value.Env(), value, nullptr, &length, &data, nullptr, nullptr);
  if (status != napi_ok) throw Napi::TypeError::New(value.Env(), "not a typed array");
  return {static_cast<char*>(data), length};
}

}  // namespace metal_sgd
