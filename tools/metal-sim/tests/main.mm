// Runs the cases: all of them, one by name, or lists them ("name rule", "-" for no rule).
//
//   metal_sim_test [--list | --case NAME]
//
// Every case has a process of its own, since a broken rule ends it.
#import "harness.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace {

const Case* find(const char* name) {
  for (const Case& one : cases()) {
    if (strcmp(one.name, name) == 0) return &one;
  }
  return nullptr;
}

int run_here(const char* name) {
  const Case* one = find(name);
  if (!one) {
    fprintf(stderr, "no case '%s'\n", name);
    return 2;
  }
  @autoreleasepool {
    one->run();
  }
  return 0;
}

/// What the case printed and how it ended, from a fresh process.
std::string run_apart(const char* program, const Case& one, int* status) {
  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) return "";
  pid_t child = fork();
  if (child == 0) {
    dup2(pipe_ends[1], STDOUT_FILENO);
    dup2(pipe_ends[1], STDERR_FILENO);
    close(pipe_ends[0]);
    alarm(60);
    execl(program, program, "--case", one.name, nullptr);
    _exit(127);
  }
  close(pipe_ends[1]);
  std::string output;
  char chunk[4096];
  for (ssize_t got; (got = read(pipe_ends[0], chunk, sizeof chunk)) > 0;) {
    output.append(chunk, static_cast<size_t>(got));
  }
  close(pipe_ends[0]);
  waitpid(child, status, 0);
  return output;
}

bool passed(const Case& one, int status, const std::string& output) {
  if (!one.rule) return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  std::string head = std::string("metal-sim: rule ") + one.rule + " broken: ";
  return WIFSIGNALED(status) && output.find(head) != std::string::npos;
}

int run_all(const char* program) {
  int failures = 0;
  for (const Case& one : cases()) {
    int status = 0;
    std::string output = run_apart(program, one, &status);
    bool good = passed(one, status, output);
    printf("%s %s%s%s\n", good ? "ok    " : "FAILED", one.name, one.rule ? " breaks " : "",
           one.rule ? one.rule : "");
    if (good) continue;
    ++failures;
    printf("%s(status %#x)\n", output.c_str(), static_cast<unsigned>(status));
  }
  printf("%zu cases, %d failed\n", cases().size(), failures);
  return failures ? 1 : 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 3 && strcmp(arguments[1], "--case") == 0) return run_here(arguments[2]);
  if (count == 2 && strcmp(arguments[1], "--list") == 0) {
    for (const Case& one : cases()) printf("%s %s\n", one.name, one.rule ? one.rule : "-");
    return 0;
  }
  return run_all("/proc/self/exe");
}
