// Owns the two rules that split work over ranks. Invariants: both are functions of (count, rank,
// ranks) alone; the ranges of all ranks are disjoint, ascending and cover [0, count); a rank may
// own nothing. No result depends on which rank owns what.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace ligase {

/// Nodes (or rows) of one chunk: the unit of ownership and of partial sums.
constexpr int64_t chunkSize = 4096;
/// Nodes of one unit of kNN work: small, so that ranks finish together.
constexpr int64_t blockSize = 64;

/// lo <= hi; the items lo, lo + 1, ..., hi - 1.
struct Range {
  int64_t lo = 0;
  int64_t hi = 0;
  int64_t size() const { return hi - lo; }
};

/// Items of `rank` when units of `unit` items are dealt as [rC/R, (r+1)C/R). Not collective.
inline Range unitRange(int64_t count, int64_t unit, int rank, int ranks) {
  const int64_t units = (count + unit - 1) / unit;
  const auto edge = [&](int64_t r) { return std::min(count, units * r / ranks * unit); };
  return {edge(rank), edge(rank + 1)};
}

/// Nodes or rows that a rank owns: sums, graph, heat, writing. Not collective.
inline Range ownedRange(int64_t count, int rank, int ranks) {
  return unitRange(count, chunkSize, rank, ranks);
}

/// Nodes whose neighbours a rank searches. Not collective.
inline Range searchRange(int64_t count, int rank, int ranks) {
  return unitRange(count, blockSize, rank, ranks);
}

/// How items lie over all ranks, as MPI's gatherv calls want it. Items < 2^31.
struct Layout {
  std::vector<int> counts;
  std::vector<int> offsets;

  template <class RangeOf>
  Layout(int ranks, RangeOf rangeOf) {
    for (int r = 0; r < ranks; r++) {
      const Range range = rangeOf(r);
      counts.push_back((int)range.size());
      offsets.push_back((int)range.lo);
    }
  }
};

}  // namespace ligase
