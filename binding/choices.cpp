#include "choices.h"

#include "environment.h"

namespace metal_sgd {

Choices* choices_of(const Napi::Value& given, bool are_needed) {
  if (given.IsExternal()) return given.As<Napi::External<Choices>>().Data();
  if (are_needed)
    throw Napi::Error::New(given.Env(), "prepareStep: a choice of device without choices");
  return nullptr;
}

/// newChoices(): External - the choices between devices that one optimizer's steps have led to.
Napi::Value new_choices(const Napi::CallbackInfo& info) {
  return Napi::External<Choices>::New(info.Env(), new Choices,
                                      [](Napi::Env, Choices* choices) { delete choices; });
}

}  // namespace metal_sgd
