// Choices between devices, as TypeScript holds them in an External.
#ifndef METAL_SGD_BINDING_CHOICES_H_
#define METAL_SGD_BINDING_CHOICES_H_

#include <napi.h>

#include "choice.h"

namespace metal_sgd {

/// Those behind an External of `newChoices`; null for null. Throws if the target needs some.
Choices* choices_of(const Napi::Value& given, bool are_needed);

}  // namespace metal_sgd

#endif  // METAL_SGD_BINDING_CHOICES_H_
