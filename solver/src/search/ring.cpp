// Owns the messages of the ring; see ring.h. Each rank's nodes are cut into equally many pieces
// (the last ones may be empty); piece p of all ranks goes round before piece p + 1 does.
#include "search/ring.h"

#include <algorithm>
#include <array>

#include "common/gather.h"

namespace ligase {

namespace {

/// Nodes of piece `number` of a rank.
Range pieceRange(const Range& own, int64_t number, int64_t size) {
  const int64_t lo = std::min(own.hi, own.lo + number * size);
  return {lo, std::min(own.hi, lo + size)};
}

/// Where a received piece lies.
struct Slot {
  std::vector<float> values;
  std::vector<double> norms;
};

/// The messages of one step: at most two in each direction.
class Step {
 public:
  Step(MPI_Comm comm, const ItemType<float>& row, int rank, int ranks)
      : comm_(comm), row_(row), left_((rank + ranks - 1) % ranks), right_((rank + 1) % ranks) {}

  void start(const Piece& sent, const Range& expected, Slot& slot) {
    count_ = 0;
    MPI_Irecv(slot.values.data(), (int)expected.size(), row_.get(), left_, 0, comm_, next());
    MPI_Isend(sent.values, (int)sent.nodes.size(), row_.get(), right_, 0, comm_, next());
    if (slot.norms.empty()) return;
    MPI_Irecv(slot.norms.data(), (int)expected.size(), MPI_DOUBLE, left_, 1, comm_, next());
    MPI_Isend(sent.norms, (int)sent.nodes.size(), MPI_DOUBLE, right_, 1, comm_, next());
  }

  void poke() {
    int done = 0;
    if (count_ > 0) MPI_Testall(count_, requests_.data(), &done, MPI_STATUSES_IGNORE);
  }

  void finish() {
    MPI_Waitall(count_, requests_.data(), MPI_STATUSES_IGNORE);
    count_ = 0;
  }

 private:
  MPI_Request* next() { return &requests_[(size_t)count_++]; }

  MPI_Comm comm_;
  const ItemType<float>& row_;
  int left_;
  int right_;
  int count_ = 0;
  std::array<MPI_Request, 4> requests_{};
};

}  // namespace

int64_t pieceNodes(int64_t dimensions) {
  // A set without rows has no dimensions.
  const int64_t width = std::max<int64_t>(dimensions, 1);
  return std::clamp<int64_t>((int64_t{1} << 20) / width, 1024, 4096);
}

void passAround(MPI_Comm comm, const Nodes& nodes, const std::vector<double>& norms,
                const std::function<void(const Piece& piece, const Poke& poke)>& visit) {
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  const int64_t size = pieceNodes(nodes.dimensions);
  int64_t pieces = 0;
  int withNorms = norms.empty() ? 0 : 1;
  for (int r = 0; r < ranks; r++) {
    const int64_t own = searchRange(nodes.count(), r, ranks).size();
    pieces = std::max(pieces, (own + size - 1) / size);
  }
  // A rank without nodes has no norms, and still passes on those of others.
  MPI_Allreduce(MPI_IN_PLACE, &withNorms, 1, MPI_INT, MPI_MAX, comm);
  std::array<Slot, 2> slots;
  for (Slot& slot : slots) {
    if (ranks > 1) slot.values.resize((size_t)(size * nodes.dimensions));
    if (ranks > 1 && withNorms != 0) slot.norms.resize((size_t)size);
  }
  const ItemType<float> row(nodes.dimensions);
  Step step(comm, row, rank, ranks);
  const auto rangeAt = [&](int64_t number, int steps) {
    const int owner = (rank - steps % ranks + ranks) % ranks;
    return pieceRange(searchRange(nodes.count(), owner, ranks), number, size);
  };
  for (int64_t number = 0; number < pieces; number++) {
    const Range own = rangeAt(number, 0);
    const int64_t offset = own.lo - nodes.range.lo;
    Piece piece{own, nodes.values.data() + offset * nodes.dimensions,
                norms.empty() ? nullptr : norms.data() + offset};
    for (int s = 0; s < ranks; s++) {
      Slot& slot = slots[(size_t)s % 2];
      const Range expected = rangeAt(number, s + 1);
      if (s + 1 < ranks) step.start(piece, expected, slot);
      if (piece.nodes.size() > 0) visit(piece, [&] { step.poke(); });
      step.finish();
      piece = {expected, slot.values.data(), slot.norms.empty() ? nullptr : slot.norms.data()};
    }
  }
}

}  // namespace ligase
