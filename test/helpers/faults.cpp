// LD_PRELOAD: fails calls that the addon makes. While the environment holds FAULT_NEW=n, its n-th
// operator new fails; while it holds FAULT_THREADS, every new thread does. FAULT_FIRED tells that
// one has failed.
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <new>

namespace {

bool is_addon(void* caller) {
  Dl_info info;
  return dladdr(caller, &info) && info.dli_fname && strstr(info.dli_fname, "metal-sgd.node");
}

bool fails(void* caller) {
  static thread_local long seen = 0, asked = 0;
  const char* text = getenv("FAULT_NEW");
  if (!text || !is_addon(caller)) return false;
  if (asked != atol(text)) asked = atol(text), seen = 0;
  if (++seen != asked) return false;
  setenv("FAULT_FIRED", "1", 1);
  return true;
}

}  // namespace

void* operator new(size_t bytes) {
  void* memory = fails(__builtin_return_address(0)) ? nullptr : malloc(bytes);
  if (!memory) throw std::bad_alloc();
  return memory;
}

void operator delete(void* memory) noexcept { free(memory); }
void operator delete(void* memory, size_t) noexcept { free(memory); }

extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*start)(void*), void* argument) {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static Create create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  if (!getenv("FAULT_THREADS")) return create(thread, attributes, start, argument);
  setenv("FAULT_FIRED", "1", 1);
  return EAGAIN;
}
