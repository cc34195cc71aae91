// Constants are those of the libraries' own headers; mpi4py tells the libraries apart likewise
// (its src/mpi4py/MPI/mpiabi).
#include <dlfcn.h>
#include <signal.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "mpi.h"
#include "world.h"

namespace metal_sgd {

namespace {

MpiHandle integer(intptr_t value) { return reinterpret_cast<MpiHandle>(value); }

/// A library that UCX underlies patches memory calls, and so frees pages of V8's heap; and it takes
/// the signal by which V8 catches WebAssembly's bad accesses. Set by the user, both stay.
void quiet_ucx() {
  setenv("UCX_MEM_EVENTS", "n", 0);
  setenv("UCX_HANDLE_ERRORS", "none", 0);
}

/// Keeps the process's handlers of faults, which V8 needs.
class FaultHandlers {
 public:
  FaultHandlers() {
    for (size_t i = 0; i < kCount; i++) sigaction(kSignals[i], nullptr, &saved_[i]);
  }
  ~FaultHandlers() {
    for (size_t i = 0; i < kCount; i++) sigaction(kSignals[i], &saved_[i], nullptr);
  }
  FaultHandlers(const FaultHandlers&) = delete;
  FaultHandlers& operator=(const FaultHandlers&) = delete;

 private:
  static constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
  static constexpr size_t kCount = sizeof kSignals / sizeof *kSignals;
  struct sigaction saved_[kCount];
};

#ifdef __APPLE__
constexpr int kVisibility = RTLD_GLOBAL;  // MPICH's dylib does not load otherwise: mpich#7740
#else
constexpr int kVisibility = RTLD_LOCAL;
#endif

constexpr int kLongestText = 8192;  // of MPICH and the standard; Open MPI writes 256

}  // namespace

template <typename Function>
Function* Mpi::find(const char* name) const {
  void* found = dlsym(library_, name);
  if (!found) throw WorldFailure(WorldError::kNoLibrary, std::string("it has no ") + name);
  return reinterpret_cast<Function*>(found);
}

Mpi* Mpi::open(const std::vector<std::string>& paths) {
  quiet_ucx();
  FaultHandlers handlers;
  std::string tried;
  for (const std::string& path : paths) {
    if (void* library = dlopen(path.c_str(), RTLD_NOW | kVisibility)) return new Mpi(library);
    tried += (tried.empty() ? "" : "; ") + std::string(dlerror());
  }
  throw WorldFailure(WorldError::kNoLibrary, tried);
}

Mpi::Mpi(void* library) : library_(library) {
  std::vector<char> text(kLongestText + 1);
  int length = 0, major = 0, minor = 0;
  find<int(char*, int*)>("MPI_Get_library_version")(text.data(), &length);
  version_ = text.data();
  version_ = version_.substr(0, version_.find_first_of(",\n"));
  using AbiVersion = int(int*, int*);
  auto abi_version = reinterpret_cast<AbiVersion*>(dlsym(library, "MPI_Abi_get_version"));
  if (abi_version) abi_version(&major, &minor);
  if (major > 0) {
    // The standard ABI.
    world_ = integer(0x101), byte_ = integer(0x247), errors_return_ = integer(0x143);
    in_place_ = integer(1), ignore_status_ = nullptr, funneled_ = 1024;
  } else if (dlsym(library, "ompi_mpi_comm_world")) {
    // Open MPI.
    world_ = dlsym(library, "ompi_mpi_comm_world"), byte_ = dlsym(library, "ompi_mpi_byte");
    errors_return_ = dlsym(library, "ompi_mpi_errors_return");
    in_place_ = integer(1), ignore_status_ = nullptr, funneled_ = 1;
  } else {
    // MPICH.
    world_ = integer(0x44000000), byte_ = integer(0x4c00010d), errors_return_ = integer(0x54000001);
    in_place_ = integer(-1), ignore_status_ = integer(1), funneled_ = 1;
  }
}

void Mpi::check(int error, const char* call) const {
  if (error == 0) return;
  std::vector<char> text(kLongestText + 1);
  int length = 0;
  find<int(int, char*, int*)>("MPI_Error_string")(error, text.data(), &length);
  throw WorldFailure(WorldError::kMpi, std::string(call) + ": " + text.data());
}

bool Mpi::is_initialized() const {
  int flag = 0;
  check(find<int(int*)>("MPI_Initialized")(&flag), "MPI_Initialized");
  return flag != 0;
}

void Mpi::init() {
  FaultHandlers handlers;
  int provided = 0;
  check(find<int(int*, char***, int, int*)>("MPI_Init_thread")(nullptr, nullptr, funneled_,
                                                               &provided),
        "MPI_Init_thread");
  if (provided < funneled_)
    throw WorldFailure(WorldError::kMpi, "this library takes calls of the main thread alone");
  check(find<int(MpiHandle, MpiHandle)>("MPI_Comm_set_errhandler")(world_, errors_return_),
        "MPI_Comm_set_errhandler");
}

int Mpi::rank() const {
  int rank = 0;
  check(find<int(MpiHandle, int*)>("MPI_Comm_rank")(world_, &rank), "MPI_Comm_rank");
  return rank;
}

int Mpi::size() const {
  int size = 0;
  check(find<int(MpiHandle, int*)>("MPI_Comm_size")(world_, &size), "MPI_Comm_size");
  return size;
}

void Mpi::finalize() { check(find<int()>("MPI_Finalize")(), "MPI_Finalize"); }

Mpi::Request Mpi::all_to_all(const void* from, const std::vector<int>& from_bytes,
                             const std::vector<int>& from_at, void* to,
                             const std::vector<int>& to_bytes,
                             const std::vector<int>& to_at) const {
  using Call = int(const void*, const int*, const int*, MpiHandle, void*, const int*, const int*,
                   MpiHandle, MpiHandle, MpiHandle*);
  Request request;
  check(find<Call>("MPI_Ialltoallv")(from, from_bytes.data(), from_at.data(), byte_, to,
                                     to_bytes.data(), to_at.data(), byte_, world_, &request.handle),
        "MPI_Ialltoallv");
  return request;
}

Mpi::Request Mpi::all_gather(void* data, const std::vector<int>& bytes,
                             const std::vector<int>& at) const {
  using Call = int(const void*, int, MpiHandle, void*, const int*, const int*, MpiHandle, MpiHandle,
                   MpiHandle*);
  Request request;
  check(find<Call>("MPI_Iallgatherv")(in_place_, 0, byte_, data, bytes.data(), at.data(), byte_,
                                      world_, &request.handle),
        "MPI_Iallgatherv");
  return request;
}

Mpi::Request Mpi::broadcast(void* data, int bytes, int root) const {
  using Call = int(void*, int, MpiHandle, int, MpiHandle, MpiHandle*);
  Request request;
  check(find<Call>("MPI_Ibcast")(data, bytes, byte_, root, world_, &request.handle), "MPI_Ibcast");
  return request;
}

bool Mpi::test(Request& request) const {
  int done = 0;
  check(find<int(MpiHandle*, int*, void*)>("MPI_Test")(&request.handle, &done, ignore_status_),
        "MPI_Test");
  return done != 0;
}

}  // namespace metal_sgd
