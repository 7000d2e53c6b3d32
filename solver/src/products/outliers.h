// Owns the outlier score of a node.
// Invariant: a score is finite and >= 0; 1 is a node as far from its k-th neighbour as its
// neighbours are from theirs.
#pragma once

#include <mpi.h>

#include <vector>

#include "compute/neighbors.h"

namespace ligase {

/// Distance to the k-th neighbour over the median of that distance at the node's k neighbours, of
/// the nodes in neighbors.range. A median under 1e-6 x the largest distance counts as that, so that
/// clones divide by no zero; where all distances are 0 the score is 1. Collective.
std::vector<double> outlierScores(MPI_Comm comm, const Neighbors& neighbors, int64_t count);

}  // namespace ligase
