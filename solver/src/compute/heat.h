// Owns the heat equation on the graph: u(t) = exp(-t L_rw) u(0), L_rw = I - P, P = D^-1 W.
// Invariants: u stays within u(0)'s range and mass is kept, both to 1e-10; a node without edges
// keeps its value; no reduction over ranks in the loop.
#pragma once

#include <mpi.h>

#include <vector>

#include "compute/graph.h"

namespace ligase {

struct Heat {
  /// u(t) of all nodes, one entry per time: [nodes, fields], row-major.
  std::vector<std::vector<double>> values;
  /// sum d_i u_i / sum d_i over all nodes, [times, fields]: the same at every time.
  std::vector<double> mass;
  /// Products with P that were needed.
  int64_t products = 0;
};

/// Heat at each time. Field f starts with 1 on node sources[f] and 0 elsewhere. Collective.
///
/// The polynomial of chebyshev.h is applied to P itself, not between D^-1/2 and D^1/2: the same
/// numbers, but a node of tiny degree never divides by the root of its degree.
/// Memory on each rank: 8 nodes fields (times + 3) bytes.
Heat diffuse(MPI_Comm comm, const Graph& graph, const std::vector<int32_t>& sources,
             const std::vector<double>& times);

}  // namespace ligase
