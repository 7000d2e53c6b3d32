// Owns the way of all embeddings past all ranks.
// Invariants: a rank holds its own nodes and two travelling pieces; every rank sees every node
// exactly once, together with whoever else is at the same step; the order differs by rank.
#pragma once

#include <mpi.h>

#include <functional>
#include <vector>

#include "common/ranges.h"
#include "compute/collapse.h"

namespace ligase {

/// Consecutive nodes that are visiting; borrowed until the next step.
struct Piece {
  Range nodes;
  /// [nodes, d], row-major.
  const float* values;
  /// Of each node, or nullptr where no norms are in use.
  const double* norms;
};

/// Lets messages get on; main thread only.
using Poke = std::function<void()>;

/// Nodes of the largest piece: ~4 MiB of embeddings, 1,024 to 4,096 nodes.
int64_t pieceNodes(int64_t dimensions);

/// Calls `visit` for every piece of all ranks. Collective.
/// @param norms - of the rank's nodes, or empty on all ranks.
void passAround(MPI_Comm comm, const Nodes& nodes, const std::vector<double>& norms,
                const std::function<void(const Piece& piece, const Poke& poke)>& visit);

}  // namespace ligase
