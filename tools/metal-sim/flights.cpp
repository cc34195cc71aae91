// One table for the process, since memory is one: queues and devices share it.
#include "flights.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <ucontext.h>

#include <algorithm>
#include <mutex>

#include "report.h"
#include "trace.h"

namespace metal_sim {
namespace {

struct Table {
  std::mutex mutex;
  std::vector<Submission*> flights;
  uint64_t ended = 0;  ///< flights so far
};

Table& table() {
  static Table* only = new Table;
  return *only;
}

bool overlap(Range a, Range b) { return a.begin < b.end && b.begin < a.end; }

struct OwnedUse {
  const Submission* submission;
  uint64_t serial;
  const Submission::Use* use;
  Range range;
};

/// The buffers of one command buffer, or of two, by address.
std::vector<OwnedUse> uses_of(const Submission& one, const Submission& other) {
  std::vector<OwnedUse> all;
  for (const Submission* submission : {&one, &other}) {
    for (const auto& [serial, use] : submission->uses)
      all.push_back({submission, serial, &use, use.memory->host_range()});
    if (&one == &other) break;
  }
  std::sort(all.begin(), all.end(),
            [](const OwnedUse& a, const OwnedUse& b) { return a.range.begin < b.range.begin; });
  return all;
}

void check_shared_memory(const Submission& one, const Submission& other) {
  std::vector<OwnedUse> all = uses_of(one, other);
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t j = i + 1; j < all.size() && all[j].range.begin < all[i].range.end; ++j) {
      const OwnedUse &low = all[i], &high = all[j];
      if (low.serial == high.serial || !(low.use->writes || high.use->writes)) continue;
      if (&one != &other && low.submission == high.submission) continue;
      violation("B11",
                "buffers #%llu (command buffer %s) and #%llu (command buffer %s) lie over the same "
                "memory,"
                " at least one is written, and Metal does not see that they are related",
                static_cast<unsigned long long>(low.serial), low.submission->name().c_str(),
                static_cast<unsigned long long>(high.serial), high.submission->name().c_str());
    }
  }
}

/// Metal orders two uses of one tracked buffer within a queue, and nothing else.
bool ordered(const Footprint& one, const Footprint& other, Range common) {
  if (one.queue_serial != other.queue_serial) return false;
  for (const auto& [serial, use] : one.uses) {
    if (!overlap(use.memory->host_range(), common)) continue;
    if (!use.memory->tracked() || other.uses.count(serial) == 0) return false;
  }
  return true;
}

void check_conflict(const Footprint& one, const Footprint& other) {
  Range common;
  bool conflict = one.touched.writes.overlaps(other.touched.writes, &common) ||
                  one.touched.writes.overlaps(other.touched.reads, &common) ||
                  one.touched.reads.overlaps(other.touched.writes, &common);
  if (!conflict || ordered(one, other, common)) return;
  violation("B12",
            "command buffers %s and %s are in flight together and both touch %zu bytes at %#zx, one"
            " writing; nothing orders them",
            other.name().c_str(), one.name().c_str(), common.end - common.begin, common.begin);
}

enum class Verdict { kNotOurs, kAskAgain, kForbidden, kOpened };

struct HostAccess {
  uintptr_t address;
  bool write;
  uint64_t ended = 0;                  ///< flights before the judgement
  const Submission* flight = nullptr;  ///< that forbids it
  const BufferMemory* memory = nullptr;
};

/// What to do about a fault of a host thread.
Verdict judge(HostAccess* access) {
  std::lock_guard<std::mutex> lock(table().mutex);
  access->ended = table().ended;
  BufferMemory* touched_memory = nullptr;
  for (Submission* flight : table().flights) {
    for (const auto& [serial, use] : flight->uses) {
      Range range = use.memory->host_range();
      if (access->address < range.begin || access->address >= range.end) continue;
      if (!flight->ran) return Verdict::kAskAgain;
      touched_memory = use.memory.get();
      if (flight->touched.writes.contains(access->address) ||
          (access->write && flight->touched.reads.contains(access->address))) {
        access->flight = flight;
        access->memory = use.memory.get();
        return Verdict::kForbidden;
      }
    }
  }
  if (!touched_memory) return Verdict::kNotOurs;
  touched_memory->open_host_page(access->address);
  return Verdict::kOpened;
}

/// True if the access may be tried again. A neighbour of the step's bytes on the same page waits
/// until the kernels have shown what they touch.
bool settle_host_access(HostAccess* access) {
  static thread_local uintptr_t last_unknown = 0;
  static thread_local uint64_t last_ended = 0;
  for (;;) {
    switch (judge(access)) {
      case Verdict::kOpened:
        return true;
      case Verdict::kAskAgain: {
        timespec pause = {0, 50000};
        nanosleep(&pause, nullptr);
        break;
      }
      case Verdict::kNotOurs:
        // The flight may have ended since the fault: one more try tells.
        if (last_unknown == access->address && last_ended == access->ended) return false;
        last_unknown = access->address;
        last_ended = access->ended;
        return true;
      case Verdict::kForbidden:
        violation("B10",
                  "the host %s byte %zu of buffer #%llu while command buffer %s, in flight, %s it",
                  access->write ? "writes" : "reads",
                  static_cast<size_t>(access->address - access->memory->host_range().begin),
                  static_cast<unsigned long long>(access->memory->serial()),
                  access->flight->name().c_str(),
                  access->flight->touched.writes.contains(access->address) ? "writes" : "reads");
    }
  }
}

struct sigaction former_segv, former_bus;

void hand_over(int signal, siginfo_t* info, void* context) {
  const struct sigaction& former = signal == SIGBUS ? former_bus : former_segv;
  if (former.sa_flags & SA_SIGINFO) {
    former.sa_sigaction(signal, info, context);
  } else if (former.sa_handler == SIG_DFL || former.sa_handler == SIG_IGN) {
    sigaction(signal, &former, nullptr);  // the access is repeated and ends the process
  } else {
    former.sa_handler(signal);
  }
}

void on_fault(int signal, siginfo_t* info, void* context) {
  constexpr greg_t kWriteFault = 2;  // bit of the page fault's error code
  uintptr_t address = reinterpret_cast<uintptr_t>(info->si_addr);
  if (running_kernel()) report_out_of_range(address);
  const auto* state = static_cast<const ucontext_t*>(context);
  HostAccess access{address, (state->uc_mcontext.gregs[REG_ERR] & kWriteFault) != 0};
  if (info->si_code == SEGV_ACCERR && settle_host_access(&access)) return;
  hand_over(signal, info, context);
}

}  // namespace

void begin_flight(Submission* submission) {
  std::lock_guard<std::mutex> lock(table().mutex);
  check_shared_memory(*submission, *submission);
  for (const Submission* other : table().flights) check_shared_memory(*submission, *other);
  if (submission->simulated) {
    for (auto& [serial, use] : submission->uses) use.memory->begin_flight(use.writes);
  }
  table().flights.push_back(submission);
}

void finish_running(Submission* submission, Touched touched) {
  std::lock_guard<std::mutex> lock(table().mutex);
  submission->touched = std::move(touched);
  submission->ran = true;
  for (const Submission* other : table().flights) {
    if (other != submission && other->ran) check_conflict(*submission, *other);
  }
  for (const Footprint& other : submission->met) check_conflict(*submission, other);
}

void end_flight(Submission* submission, const RangeSet& kept) {
  std::lock_guard<std::mutex> lock(table().mutex);
  auto& flights = table().flights;
  flights.erase(std::find(flights.begin(), flights.end(), submission));
  ++table().ended;
  for (Submission* other : flights) {
    if (!other->ran) other->met.push_back(*submission);
  }
  if (!submission->simulated) return;
  for (auto& [serial, use] : submission->uses) {
    Range host = use.memory->host_range();
    use.memory->end_flight(use.writes, submission->touched.writes.within(host), kept.within(host));
  }
}

std::string flight_using(uint64_t object) {
  std::lock_guard<std::mutex> lock(table().mutex);
  for (const Submission* flight : table().flights) {
    const auto& objects = flight->objects;
    if (std::find(objects.begin(), objects.end(), object) != objects.end()) return flight->name();
  }
  return "";
}

bool flight_over(Range host) {
  std::lock_guard<std::mutex> lock(table().mutex);
  for (const Submission* flight : table().flights) {
    for (const auto& [serial, use] : flight->uses) {
      if (overlap(use.memory->host_range(), host)) return true;
    }
  }
  return false;
}

void watch_memory_faults() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(SIGSEGV, &action, &former_segv);
    sigaction(SIGBUS, &action, &former_bus);
  });
}

}  // namespace metal_sim
