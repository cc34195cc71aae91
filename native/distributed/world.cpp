#include "world.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

#include "cpu/arch.h"
#include "cpu/cpu.h"
#include "mpi.h"
#include "step_queue.h"

namespace metal_sgd {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kSpin{1};
constexpr std::chrono::microseconds kNap{50};  // between looks, after that

/// Of the thread that owns MPI. Leaked: the thread outlives static destructors.
struct Owned {
  Mpi* mpi = nullptr;
  Joined joined;
  std::vector<char> received;  // of the present bucket: a chunk of each rank
};

Owned& owned() {
  static Owned* all = new Owned;
  return *all;
}

/// A waiting rank sleeps, so that others get its core.
void wait(Mpi::Request request, double timeout) {
  auto start = Clock::now();
  while (!owned().mpi->test(request)) {
    Clock::duration waited = Clock::now() - start;
    if (waited > std::chrono::duration<double>(timeout))
      throw WorldFailure(WorldError::kTimeout, "other processes of the job did not come");
    if (waited > kSpin) std::this_thread::sleep_for(kNap);
  }
}

/// Bytes of each rank's part, and where it begins.
struct Parts {
  explicit Parts(int size) : bytes(size), at(size) {}
  std::vector<int> bytes, at;
};

/// A chunk of the elements for each rank.
Parts chunks_of(size_t count, size_t item) {
  int size = owned().joined.size;
  Parts parts(size);
  for (int rank = 0; rank < size; rank++) {
    size_t begin = count * rank / size, end = count * (rank + 1) / size;
    parts.at[rank] = static_cast<int>(begin * item);
    parts.bytes[rank] = static_cast<int>((end - begin) * item);
  }
  return parts;
}

/// As many bytes for each rank.
Parts equal_parts(size_t bytes) {
  Parts parts(owned().joined.size);
  for (size_t rank = 0; rank < parts.at.size(); rank++) {
    parts.at[rank] = static_cast<int>(bytes * rank);
    parts.bytes[rank] = static_cast<int>(bytes);
  }
  return parts;
}

template <typename Real>
void divide(void* data, size_t count, double divisor) {
  auto* elements = static_cast<Real*>(data);
  for (size_t i = 0; i < count; i++) elements[i] /= static_cast<Real>(divisor);
}

/// Each sum is divided once, by the rank that formed it.
void divide(Stream data, size_t count, const RankSum& how) {
  if (how.divisor == 1) return;
  bool is_double = data.dtype == Dtype::kFloat64;
  FloatMode mode;
  mode.set(is_double ? Subnormals::kKeep : how.subnormals);
  (is_double ? divide<double> : divide<float>)(data.data, count, how.divisor);
}

/// Adds the chunks of all ranks in their order: this rank's own, and those it has received.
void add_chunks(const char* own, char* to, Dtype dtype, size_t bytes, const RankSum& how) {
  Owned& all = owned();
  Span span;
  span.count = bytes / item_size(dtype);
  if (span.count == 0) return;
  span.streams[kParameter] = {to, dtype};
  for (int rank = 0; rank < all.joined.size; rank++) {
    const char* chunk = rank == all.joined.rank ? own : all.received.data() + rank * bytes;
    span.gradients.push_back({const_cast<char*>(chunk), dtype});
  }
  prepare_sums({span})->run({{}, how.subnormals});
  divide(span.streams[kParameter], span.count, how);
}

/// All-to-all, sum, all-gather: the traffic of a ring, and the same bits from every library.
void sum_bucket(const char* from, char* to, Dtype dtype, size_t count, const RankSum& how,
                double timeout) {
  Owned& all = owned();
  int rank = all.joined.rank;
  Parts chunks = chunks_of(count, item_size(dtype));
  size_t own = chunks.bytes[rank], at = chunks.at[rank];
  Parts sent = chunks, received = equal_parts(own);
  sent.bytes[rank] = received.bytes[rank] = 0;
  all.received.resize(std::max(all.received.size(), own * all.joined.size));
  wait(all.mpi->all_to_all(from, sent.bytes, sent.at, all.received.data(), received.bytes,
                           received.at),
       timeout);
  add_chunks(from + at, to + at, dtype, own, how);
  wait(all.mpi->all_gather(to, chunks.bytes, chunks.at), timeout);
}

/// Collects pieces until they fill a bucket. What is alone in one goes as it lies.
class Bucket {
 public:
  Bucket(size_t most, Dtype dtype, const RankSum& how, double timeout)
      : most_(most), dtype_(dtype), how_(how), timeout_(timeout) {}

  void add(RankPiece piece) {
    while (piece.bytes > 0) {
      size_t part = std::min(piece.bytes, most_ - filled_);
      parts_.push_back({piece.from, piece.to, part});
      filled_ += part;
      if (filled_ == most_) send();
      piece = {piece.from + part, piece.to + part, piece.bytes - part};
    }
  }

  void send() {
    if (parts_.size() == 1) {
      sum(parts_[0].from, parts_[0].to, filled_);
    } else if (filled_ > 0) {
      send_collected();
    }
    parts_.clear();
    filled_ = 0;
  }

 private:
  void send_collected() {
    memory_.resize(std::max(memory_.size(), filled_));
    char* at = memory_.data();
    for (const RankPiece& part : parts_) at = std::copy_n(part.from, part.bytes, at);
    sum(memory_.data(), memory_.data(), filled_);
    at = memory_.data();
    for (const RankPiece& part : parts_) {
      std::copy_n(at, part.bytes, part.to);
      at += part.bytes;
    }
  }

  void sum(const char* from, char* to, size_t bytes) {
    sum_bucket(from, to, dtype_, bytes / item_size(dtype_), how_, timeout_);
  }

  size_t most_;
  Dtype dtype_;
  RankSum how_;
  double timeout_;
  std::vector<RankPiece> parts_;
  size_t filled_ = 0;
  std::vector<char> memory_;
};

constexpr size_t kLargestMessage = size_t{1} << 30;  // counts of MPI are ints

}  // namespace

void on_world_thread(std::function<void()> work) {
  static StepQueue* queue = new StepQueue;
  queue->add(nullptr, std::move(work));
}

Joined join_world(const std::vector<std::string>& paths) {
  Owned& all = owned();
  if (!all.mpi) {
    std::unique_ptr<Mpi> mpi(Mpi::open(paths));
    if (!mpi->is_initialized()) mpi->init();
    all.joined = {mpi->version(), mpi->rank(), mpi->size()};
    all.mpi = mpi.release();
  }
  return all.joined;
}

void gather(char* data, size_t bytes, double timeout) {
  Parts parts = equal_parts(bytes);
  wait(owned().mpi->all_gather(data, parts.bytes, parts.at), timeout);
}

void sum_over_ranks(const std::vector<RankPiece>& pieces, Dtype dtype, const RankSum& how,
                    double timeout) {
  if (owned().joined.size == 1) {
    for (const RankPiece& piece : pieces) add_chunks(piece.from, piece.to, dtype, piece.bytes, how);
    return;
  }
  size_t item = item_size(dtype), most = std::max<size_t>(1, how.bucket_bytes / item) * item;
  Bucket bucket(most, dtype, how, timeout);
  for (const RankPiece& piece : pieces) bucket.add(piece);
  bucket.send();
}

void broadcast(char* data, size_t bytes, double timeout) {
  for (size_t at = 0; at < bytes; at += kLargestMessage) {
    size_t part = std::min(kLargestMessage, bytes - at);
    wait(owned().mpi->broadcast(data + at, static_cast<int>(part), 0), timeout);
  }
}

void leave_world() { owned().mpi->finalize(); }

}  // namespace metal_sgd
