// Reports and ends: written with plain descriptors, since it also runs inside a signal handler.
#include "report.h"

#include <execinfo.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace metal_sim {
namespace {

constexpr int kMaxFrames = 48;

void write_all(const char* text, int length) {
  while (length > 0) {
    ssize_t written = write(STDERR_FILENO, text, static_cast<size_t>(length));
    if (written <= 0) return;
    text += written;
    length -= static_cast<int>(written);
  }
}

void write_message(const char* head, const char* format, va_list arguments) {
  char text[2048];
  int length = snprintf(text, sizeof text, "metal-sim: %s: ", head);
  length +=
      vsnprintf(text + length, sizeof text - static_cast<size_t>(length) - 1, format, arguments);
  if (length > static_cast<int>(sizeof text) - 2) length = static_cast<int>(sizeof text) - 2;
  text[length++] = '\n';
  write_all(text, length);
}

}  // namespace

void write_own_line(const char* text) { write_all(text, static_cast<int>(strlen(text))); }

void violation(const char* rule, const char* format, ...) {
  char head[64];
  snprintf(head, sizeof head, "rule %s broken", rule);
  va_list arguments;
  va_start(arguments, format);
  write_message(head, format, arguments);
  va_end(arguments);
  void* frames[kMaxFrames];
  backtrace_symbols_fd(frames, backtrace(frames, kMaxFrames), STDERR_FILENO);
  abort();
}

void misuse(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  write_message("cannot go on", format, arguments);
  va_end(arguments);
  abort();
}

}  // namespace metal_sim
