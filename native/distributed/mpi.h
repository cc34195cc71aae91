// An MPI library, found at run time: no binary of ours links one. Its five kinds differ in what
// their handles are; all calls take and return bytes, so that one datatype is enough.
#ifndef METAL_SGD_DISTRIBUTED_MPI_H_
#define METAL_SGD_DISTRIBUTED_MPI_H_

#include <string>
#include <vector>

namespace metal_sgd {

/// Open MPI's handles are addresses, MPICH's are ints, the standard's are integers as wide as
/// addresses. All fit in this, and C passes them alike.
using MpiHandle = void*;

class Mpi {
 public:
  /// Opens the first of these that is there. Throws WorldFailure (kNoLibrary) with the loader's
  /// words for each.
  static Mpi* open(const std::vector<std::string>& paths);

  const std::string& version() const { return version_; }

  bool is_initialized() const;
  /// Thread level "funneled": one thread of ours makes all calls.
  void init();
  int rank() const;
  int size() const;
  void finalize();

  /// A call that has begun; `test` is true once it is over.
  struct Request {
    MpiHandle handle = nullptr;
  };
  /// Ranks may send nothing to themselves.
  Request all_to_all(const void* from, const std::vector<int>& from_bytes,
                     const std::vector<int>& from_at, void* to, const std::vector<int>& to_bytes,
                     const std::vector<int>& to_at) const;
  /// In place: this rank's part lies at its own place in `data`.
  Request all_gather(void* data, const std::vector<int>& bytes, const std::vector<int>& at) const;
  Request broadcast(void* data, int bytes, int root) const;
  bool test(Request& request) const;

 private:
  explicit Mpi(void* library);
  void check(int error, const char* call) const;
  template <typename Function>
  Function* find(const char* name) const;

  void* library_;
  std::string version_;
  MpiHandle world_, byte_, errors_return_, in_place_, ignore_status_;
  int funneled_;
};

}  // namespace metal_sgd

#endif  // METAL_SGD_DISTRIBUTED_MPI_H_
