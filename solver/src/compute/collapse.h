// Owns the step from rows to nodes: bit-identical embeddings are one node.
// Invariants: nodes are numbered in the order of their smallest row; equality is of bits, so 0.0
// and -0.0 make two nodes; multiplicities add up to the rows; no result depends on a hash or on the
// number of ranks.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <vector>

#include "common/pages.h"
#include "common/ranges.h"

namespace ligase {

struct Nodes {
  /// Nodes whose embeddings are held here: searchRange(count()).
  Range range;
  /// Their embeddings, float32 [range, d], row-major. Empty once neighbours are known: nothing
  /// behind them needs embeddings, and a solve that goes on from a checkpoint never loads any.
  FloatPages values;
  int64_t dimensions = 0;
  /// Node of each row of the set.
  std::vector<int32_t> ofRow;
  /// Rows of each node of the set.
  std::vector<int32_t> multiplicity;

  int64_t count() const { return (int64_t)multiplicity.size(); }
};

/// The nodes of all ranks' rows. Collective.
/// Memory on each rank: its rows, twice where duplicates move rows to other ranks, and 8 bytes for
/// each row of the set; rows that may be duplicates visit another rank in portions of 16 MiB.
/// @param rows - float32 [searchRange(count), d], row-major, of this rank; taken over.
/// @param count - rows of the set, < 2^31.
Nodes collapse(MPI_Comm comm, FloatPages rows, int64_t count, int64_t dimensions);

}  // namespace ligase
