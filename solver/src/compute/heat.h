// Owns the heat equation on the graph: u(t) = exp(-t L_rw) u(0), L_rw = I - P, P = D^-1 W.
// Invariants: u stays within u(0)'s range, its mass is kept and its energy never grows, to 1e-10; a
// node without edges keeps its value; no reduction over ranks in the loop.
#pragma once

#include <mpi.h>

#include <vector>

#include "compute/graph.h"

namespace ligase {

struct Heat {
  /// u(t) of the owned nodes, one entry per time: [owned nodes, fields], row-major.
  std::vector<std::vector<double>> values;
  /// sum d_i u_i / sum d_i over all nodes, [times, fields]: the same at every time.
  std::vector<double> mass;
  /// sum over edges of w_ij (u_i - u_j)^2 / sum d_i, [times, fields].
  std::vector<double> energy;
  /// Bound of the error at each time, for a field within [-1, 1].
  std::vector<double> errors;
  /// Products with P that were needed, each of all fields.
  int64_t products = 0;
};

/// Heat at each time. Collective.
///
/// The polynomial of chebyshev.h is applied to P itself, not between D^-1/2 and D^1/2: the same
/// numbers, but a node of tiny degree never divides by the root of its degree.
/// Memory on each rank: 8 fields (times + 4) bytes for each owned node.
/// @param start - u(0), [owned nodes, fields], row-major, within [-1, 1].
Heat diffuse(MPI_Comm comm, const Graph& graph, std::vector<double> start, int64_t fields,
             const std::vector<double>& times);

}  // namespace ligase
