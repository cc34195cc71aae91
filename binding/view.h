// Typed arrays as memory. Views, never buffers: Node-API knows no SharedArrayBuffer.
#ifndef METAL_SGD_BINDING_VIEW_H_
#define METAL_SGD_BINDING_VIEW_H_

#include <napi.h>

namespace metal_sgd {

struct View {
  char* data;
  size_t length;  ///< elements
};

/// Throws if `value` is no typed array. A detached one has length 0.
View view_of(const Napi::Value& value);

}  // namespace metal_sgd

#endif  // METAL_SGD_BINDING_VIEW_H_
