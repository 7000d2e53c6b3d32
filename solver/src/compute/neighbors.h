// Owns the exact k nearest neighbours.
// Invariants: neighbours of a node stand in the order of (squared distance, node id), never hold
// the node itself; k <= nodes - 1; every distance is the one of distance.h.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "common/ranges.h"
#include "compute/collapse.h"
#include "compute/distance.h"

namespace ligase {

/// `l2`: Euclidean distance of the embeddings. `cosine`: of the embeddings divided by their norm in
/// fp64, so that cosine distance = distance^2 / 2.
enum class Metric { l2, cosine };

struct Neighbors {
  /// Nodes that these are the neighbours of: searchRange(nodes).
  Range range;
  int64_t k = 0;
  /// Node ids [range, k], row-major.
  std::vector<int32_t> ids;
  /// Distances [range, k], row-major.
  std::vector<double> distances;
};

/// The k nearest of every node in searchRange(count). Each rank keeps its own nodes; the others'
/// pass by, twice: fp32 selects, fp64 decides. Collective.
/// Memory beside the result: as selectCandidates and refine (search/).
/// @param k - 1 <= k <= nodes - 1.
/// @param undecided - set to the number of nodes on all ranks that were compared with all in fp64.
/// @throws SolverError BAD_DATA for a zero vector under cosine.
Neighbors nearest(MPI_Comm comm, const Nodes& nodes, int64_t k, Metric metric, const Isa& isa,
                  int threads, int64_t& undecided);

}  // namespace ligase
