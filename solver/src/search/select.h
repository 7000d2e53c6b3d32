// Owns the first pass of the exact search: who may be near, by fp32.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <vector>

#include "compute/collapse.h"
#include "compute/distance.h"

namespace ligase {

/// What both passes need to know.
struct SearchTask {
  MPI_Comm comm;
  const Nodes& nodes;
  /// Norms of the rank's nodes, or empty.
  const std::vector<double>& norms;
  int64_t k;
  const Isa& isa;
  int threads;
};

/// What the first pass leaves of the rank's nodes.
struct Selection {
  /// Nodes that hold the k nearest of node i of the rank and few more, ascending; nothing where all
  /// nodes are to be compared.
  std::vector<std::vector<int32_t>> candidates;
  /// Places of those nodes, ascending.
  std::vector<int64_t> undecided;
};

/// Passes all nodes around once. Collective.
/// Memory: 12 (k + 32) bytes for each node of the rank, three times that where many are nearly as
/// near; 12 MiB; 0.3 MiB per thread.
Selection selectCandidates(const SearchTask& task);

}  // namespace ligase
