// All processes of a job. One thread of our own makes every call to MPI.
#ifndef METAL_SGD_DISTRIBUTED_WORLD_H_
#define METAL_SGD_DISTRIBUTED_WORLD_H_

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "backend.h"

namespace metal_sgd {

#define METAL_SGD_WORLD_ERRORS(row) \
  row(kNoLibrary, "no-mpi") row(kMpi, "world-failed") row(kTimeout, "world-timeout")
enum class WorldError : uint8_t { METAL_SGD_WORLD_ERRORS(METAL_SGD_ENUMERATOR) };
constexpr const char* kWorldErrorNames[] = {METAL_SGD_WORLD_ERRORS(METAL_SGD_NAME)};

class WorldFailure : public std::runtime_error {
 public:
  WorldFailure(WorldError error, const std::string& message)
      : std::runtime_error(message), error(error) {}
  const char* code() const { return kWorldErrorNames[static_cast<int>(error)]; }
  WorldError error;
};

/// What a job is, once joined.
struct Joined {
  std::string library;
  int rank = 0, size = 1;
};

/// Functions of the thread of `on_world_thread`, one after another. Each waits for all ranks, and
/// throws WorldFailure: after kTimeout the world is lost, since MPI can't take a call back.
Joined join_world(const std::vector<std::string>& paths);
/// Every rank's `bytes`, in the order of ranks.
void gather(char* data, size_t bytes, double timeout);
/// How elements are summed.
struct RankSum {
  size_t bucket_bytes;
  Subnormals subnormals;
  double divisor;  ///< of the sums; 1: none
};
/// Elements of one array, and where their sum goes: to the same place, or far from it.
struct RankPiece {
  const char* from;
  char* to;
  size_t bytes;
};
/// Sums elements over all ranks, in the order of ranks. Arrays go round as if they lay side by
/// side: where they lie may differ from rank to rank.
void sum_over_ranks(const std::vector<RankPiece>& pieces, Dtype dtype, const RankSum& how,
                    double timeout);
void broadcast(char* data, size_t bytes, double timeout);
/// Has no time limit: every rank must have said before that it leaves.
void leave_world();

/// Runs `work` on the thread that owns MPI, which never ends.
void on_world_thread(std::function<void()> work);

}  // namespace metal_sgd

#endif  // METAL_SGD_DISTRIBUTED_WORLD_H_
