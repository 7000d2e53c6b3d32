// Owns the hash table of embeddings; see collapse.h. The hash only finds candidates, whole rows are
// compared. Each rank first finds the different ones among its own rows; then the rank that a hash
// belongs to says which hashes came from several ranks, and compares the rows that have one of
// them.
#include "compute/collapse.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <unordered_map>

#include "common/errors.h"
#include "common/exchange.h"

namespace ligase {

namespace {

uint64_t mixed(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0xff51afd7ed558ccd;
  return hash ^ (hash >> 32);
}

/// Four chains side by side, two values a step: one chain would wait for its multiplications.
uint64_t hashRow(const float* row, int64_t dimensions) {
  uint64_t hash[4] = {0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb, 1};
  int64_t d = 0;
  for (; d + 8 <= dimensions; d += 8) {
    for (int chain = 0; chain < 4; chain++) {
      uint64_t pair = 0;
      std::memcpy(&pair, row + d + 2 * chain, sizeof(pair));
      hash[chain] = mixed(hash[chain], pair);
    }
  }
  for (; d < dimensions; d++) hash[0] = mixed(hash[0], std::bit_cast<uint32_t>(row[d]));
  return mixed(mixed(hash[0], hash[1]), mixed(hash[2], hash[3]));
}

/// Open addressing over node numbers; at most half full.
class Table {
 public:
  explicit Table(size_t rows) : slots_(std::bit_ceil(2 * rows + 2), -1) {}

  /// The slot of an equal node, or the empty one where a new node belongs.
  int32_t& find(const float* row, const float* nodes, int64_t dimensions) {
    const size_t mask = slots_.size() - 1;
    const size_t bytes = (size_t)dimensions * sizeof(float);
    size_t at = hashRow(row, dimensions) & mask;
    while (slots_[at] >= 0 && std::memcmp(nodes + slots_[at] * dimensions, row, bytes) != 0) {
      at = (at + 1) & mask;
    }
    return slots_[at];
  }

 private:
  std::vector<int32_t> slots_;
};

/// Bytes of rows that one rank compares at a time.
constexpr int64_t portionBytes = 16 << 20;

/// Different rows of one rank, in the order of their first ones; they stand at the front of `rows`.
struct Different {
  std::vector<uint64_t> hash;
  /// First row in the set; later the first of all ranks.
  std::vector<int32_t> first;
  /// Place here of each own row.
  std::vector<int32_t> ofRow;
};

Different ownDifferent(FloatPages& rows, int64_t firstRow, int64_t count,
                       int64_t dimensions) {
  Different found;
  found.ofRow.reserve((size_t)count);
  const auto width = (size_t)dimensions;
  Table table((size_t)count);
  for (size_t r = 0; r < (size_t)count; r++) {
    const float* row = rows.data() + r * width;
    int32_t& slot = table.find(row, rows.data(), dimensions);
    if (slot < 0) {
      slot = (int32_t)found.first.size();
      // A place is never behind its row: the copy goes to one already read.
      if ((size_t)slot < r) std::copy_n(row, width, rows.data() + (size_t)slot * width);
      found.first.push_back((int32_t)(firstRow + (int64_t)r));
      found.hash.push_back(hashRow(row, dimensions));
    }
    found.ofRow.push_back(slot);
  }
  return found;
}

/// For each hash whether another rank has it too. Collective.
std::vector<uint8_t> shared(MPI_Comm comm, const Different& own, int ranks) {
  std::vector<int> owner;
  for (const uint64_t hash : own.hash) owner.push_back((int)(hash % (uint64_t)ranks));
  const Exchange exchange(comm, owner);
  const auto hashes =
      exchange.forward<uint64_t>(1, [&](size_t i) { return own.hash.data() + i; });
  std::unordered_map<uint64_t, int> times;
  for (const uint64_t hash : hashes) times[hash]++;
  std::vector<uint8_t> answers;
  for (const uint64_t hash : hashes) answers.push_back(times[hash] > 1 ? 1 : 0);
  return exchange.back(answers);
}

/// Sets `first` of these own different rows to the smallest row that is equal. Collective.
void compareAcross(MPI_Comm comm, Different& own, const std::vector<size_t>& places, int ranks,
                   const FloatPages& rows, int64_t dimensions) {
  std::vector<int> owner;
  for (const size_t at : places) owner.push_back((int)(own.hash[at] % (uint64_t)ranks));
  const Exchange exchange(comm, owner);
  const auto values = exchange.forward<float>(
      dimensions, [&](size_t i) { return rows.data() + places[i] * (size_t)dimensions; });
  const auto firsts =
      exchange.forward<int32_t>(1, [&](size_t i) { return own.first.data() + places[i]; });
  // Ranks hold rows in ascending order, so the first of equal ones to come has the smallest row.
  Table table(firsts.size());
  std::vector<int32_t> answers;
  for (size_t i = 0; i < firsts.size(); i++) {
    int32_t& slot =
        table.find(values.data() + i * (size_t)dimensions, values.data(), dimensions);
    if (slot < 0) slot = (int32_t)i;
    answers.push_back(firsts[(size_t)slot]);
  }
  const std::vector<int32_t> smallest = exchange.back(answers);
  for (size_t i = 0; i < places.size(); i++) own.first[places[i]] = smallest[i];
}

/// Finds rows that are equal on several ranks, a portion of the hashes at a time. Collective.
void joinRanks(MPI_Comm comm, Different& own, const FloatPages& rows, int64_t dimensions) {
  int ranks = 1;
  MPI_Comm_size(comm, &ranks);
  if (ranks == 1) return;
  const std::vector<uint8_t> suspects = shared(comm, own, ranks);
  int64_t bytes = std::count(suspects.begin(), suspects.end(), 1) * dimensions * 4;
  MPI_Allreduce(MPI_IN_PLACE, &bytes, 1, MPI_INT64_T, MPI_MAX, comm);
  const int64_t portions = (bytes + portionBytes - 1) / portionBytes;
  for (int64_t portion = 0; portion < portions; portion++) {
    std::vector<size_t> places;
    for (size_t at = 0; at < suspects.size(); at++) {
      const bool now = (int64_t)((own.hash[at] >> 32) % (uint64_t)portions) == portion;
      if (suspects[at] != 0 && now) places.push_back(at);
    }
    compareAcross(comm, own, places, ranks, rows, dimensions);
  }
}

/// Nodes by their first rows; every rank numbers all of them.
void number(Nodes& nodes, std::vector<int32_t> firstOfRow) {
  for (size_t row = 0; row < firstOfRow.size(); row++) {
    const auto first = (size_t)firstOfRow[row];
    if (first == row) {
      firstOfRow[row] = (int32_t)nodes.multiplicity.size();
      nodes.multiplicity.push_back(0);
    } else {
      firstOfRow[row] = firstOfRow[first];
    }
    nodes.multiplicity[(size_t)firstOfRow[row]]++;
  }
  nodes.multiplicity.shrink_to_fit();
  nodes.ofRow = std::move(firstOfRow);
}

/// Gives every rank the nodes of its range. Collective.
/// @param firstNodes - first node that each rank holds, and at the end the number of nodes.
FloatPages redistribute(MPI_Comm comm, FloatPages values,
                        const std::vector<int64_t>& firstNodes, int64_t dimensions) {
  int rank = 0;
  MPI_Comm_rank(comm, &rank);
  const auto ranks = (int)firstNodes.size() - 1;
  const int64_t count = firstNodes.back();
  bool moves = false;
  for (int r = 0; r < ranks; r++) {
    moves = moves || searchRange(count, r, ranks).hi != firstNodes[(size_t)r + 1];
  }
  if (!moves) return values;
  const Range wanted = searchRange(count, rank, ranks);
  const Range held{firstNodes[(size_t)rank], firstNodes[(size_t)rank + 1]};
  const auto overlap = [](const Range& a, const Range& b) {
    const int64_t lo = std::max(a.lo, b.lo);
    return Range{lo, std::max(lo, std::min(a.hi, b.hi))};
  };
  const Layout sent(ranks, [&](int r) {
    const Range part = overlap(held, searchRange(count, r, ranks));
    return Range{part.lo - held.lo, part.hi - held.lo};
  });
  const Layout received(ranks, [&](int r) {
    const Range part = overlap({firstNodes[(size_t)r], firstNodes[(size_t)r + 1]}, wanted);
    return Range{part.lo - wanted.lo, part.hi - wanted.lo};
  });
  FloatPages own((size_t)(wanted.size() * dimensions));
  const ItemType<float> row(dimensions);
  MPI_Alltoallv(values.data(), sent.counts.data(), sent.offsets.data(), row.get(), own.data(),
                received.counts.data(), received.offsets.data(), row.get(), comm);
  return own;
}

}  // namespace

Nodes collapse(MPI_Comm comm, FloatPages rows, int64_t count, int64_t dimensions) {
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  const Range range = searchRange(count, rank, ranks);
  const auto width = (size_t)dimensions;
  Different own;
  collectively(comm, [&] { own = ownDifferent(rows, range.lo, range.size(), dimensions); });
  const std::vector<int32_t> before = own.first;
  joinRanks(comm, own, rows, dimensions);
  // Only the first of equal rows stays.
  size_t kept = 0;
  for (size_t at = 0; at < before.size(); at++) {
    if (own.first[at] != before[at]) continue;
    if (kept < at) std::copy_n(rows.data() + at * width, width, rows.data() + kept * width);
    kept++;
  }
  if (kept < (size_t)range.size()) {
    rows.resize(kept * width);
    rows.shrink_to_fit();
  }
  for (int32_t& place : own.ofRow) place = own.first[(size_t)place];
  const Layout layout(ranks, [&](int r) { return searchRange(count, r, ranks); });
  Nodes nodes;
  nodes.dimensions = dimensions;
  number(nodes, gatherAll(comm, own.ofRow, layout, 1));
  std::vector<int64_t> firstNodes((size_t)ranks + 1, nodes.count());
  auto held = (int64_t)kept;
  MPI_Allgather(&held, 1, MPI_INT64_T, firstNodes.data(), 1, MPI_INT64_T, comm);
  std::exclusive_scan(firstNodes.begin(), firstNodes.end(), firstNodes.begin(), int64_t{0});
  nodes.range = searchRange(nodes.count(), rank, ranks);
  nodes.values = redistribute(comm, std::move(rows), firstNodes, dimensions);
  return nodes;
}

}  // namespace ligase
