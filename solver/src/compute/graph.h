// Owns the self-tuning graph on nodes.
// Invariants: W is symmetric bit for bit, without loops; sigma > 0; every weight is in
// [exp(-700), 1]; degree = sum of a row in the order of its columns; a node without edges has
// degree 0 and is its own component; a component's label is its smallest node.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <vector>

#include "common/ranges.h"
#include "compute/neighbors.h"

namespace ligase {

struct Graph {
  /// Nodes of the whole graph.
  int64_t count = 0;
  /// Nodes whose rows are held here: ownedRange(count).
  Range range;
  /// Row i of `range` is columns[offsets[i] .. offsets[i + 1]), ascending.
  std::vector<int64_t> offsets;
  std::vector<int32_t> columns;
  std::vector<double> weights;
  /// Of the nodes in `range`.
  std::vector<double> degree;
  /// Of all nodes.
  std::vector<int32_t> component;
};

/// One direction of an edge: w_ij as node i sees it.
struct Edge {
  int32_t from;
  int32_t to;
  /// 0 < weight <= 1.
  double weight;
};

/// The graph of edges that lie on any ranks in any order: W_ij = max(w_ij, w_ji), so that one
/// direction is enough. Collective. Memory: 16 bytes for each edge sent and received.
/// @param edges - without loops, nodes < count.
Graph assembleGraph(MPI_Comm comm, int64_t count, const std::vector<Edge>& edges);

/// sigma_i = distance to the min(7, k)-th neighbour, at least 1e-6 x the median of the positive
/// ones; w_ij = exp(-d_ij^2 / (sigma_i sigma_j)) for j among the neighbours of i;
/// W_ij = max(w_ij, w_ji). A pair whose exponent is over 700 is no edge. Collective.
/// @param neighbors - of searchRange(count).
Graph buildGraph(MPI_Comm comm, const Neighbors& neighbors, int64_t count);

}  // namespace ligase
