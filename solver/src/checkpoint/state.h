// Owns how a solve comes by nodes and neighbours: from the embeddings, or from a checkpoint.
#pragma once

#include <mpi.h>

#include <optional>
#include <string>

#include "checkpoint/checkpoint.h"
#include "common/clock.h"
#include "input/arguments.h"

namespace ligase {

/// What a search is asked for; borrowed.
struct SearchRequest {
  const Arguments& arguments;
  const Dataset& dataset;
  const std::string& metric;
  const Isa& isa;
};

/// Nodes and neighbours, and how they came about.
struct Searched {
  Nodes nodes;
  Neighbors neighbors;
  /// Nodes for which fp32 couldn't select.
  int64_t undecided = 0;
  bool restored = false;
};

/// Loads and searches the set, or goes on from a checkpoint; with a work folder, leaves one there
/// in `checkpoint`, to be removed once the result stands. Collective.
/// @throws SolverError TOO_FEW_NODES and what loading, searching and checkpoints throw.
Searched searchOrRestore(MPI_Comm comm, const SearchRequest& request, Clock& clock,
                         std::optional<Checkpoint>& checkpoint);

/// Bytes that a rank will need. Not collective.
/// @throws SolverError OVER_BUDGET when it may not use as many.
int64_t requireMemory(const Arguments& arguments, const Dataset& dataset, int ranks);

}  // namespace ligase
