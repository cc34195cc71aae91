// Manual retain and release, held by scope: the simulator's runtime has no ARC, and the same code
// runs in both.
#ifndef METAL_SGD_METAL_OWNED_H_
#define METAL_SGD_METAL_OWNED_H_

#import <Foundation/Foundation.h>

#include <utility>

namespace metal_sgd {

/// Owns one reference to an Objective-C object, or none.
template <typename T>
class Owned {
 public:
  Owned() = default;
  /// Takes over the reference that a `new...` or `copy...` method returned.
  explicit Owned(T object) : object_(object) {}
  /// One more reference to an object that somebody else holds.
  static Owned retained(T object) { return Owned([object retain]); }
  Owned(Owned&& other) noexcept : object_(std::exchange(other.object_, nil)) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Owned() { [object_ release]; }

  T get() const { return object_; }
  explicit operator bool() const { return object_ != nil; }

 private:
  T object_ = nil;
};

}  // namespace metal_sgd

#endif  // METAL_SGD_METAL_OWNED_H_
