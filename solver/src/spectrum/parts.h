// Owns the large components of the graph as graphs of their own.
// Invariants: a part has at least max(16, 0.1 % of all nodes) nodes; its nodes keep their order, so
// sums over it are in the order of the whole; parts are in the order of their smallest nodes.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "compute/graph.h"

namespace ligase {

/// A connected component that is large enough for modes.
struct Part {
  /// Its label: its smallest node.
  int32_t component;
  int64_t nodes;
};

/// The parts of a graph. Not collective. @param component - of all nodes.
std::vector<Part> largeComponents(const std::vector<int32_t>& component);

/// One part as a connected graph over the numbers 0 .. nodes - 1, dealt anew over the ranks.
class PartGraph {
 public:
  /// Collective. `graph` is borrowed.
  PartGraph(MPI_Comm comm, const Graph& graph, const Part& part);
  PartGraph(const PartGraph&) = delete;
  PartGraph& operator=(const PartGraph&) = delete;

  const Graph& graph() const { return own_ ? *own_ : whole_; }

  /// Hands values of the part's nodes back to the owners of these nodes. Collective.
  /// @param values - [owned nodes of the part, width], row-major.
  /// @param out - [owned nodes of the whole graph, stride]; the part's rows get `width` values.
  void scatter(const std::vector<double>& values, int64_t width, std::vector<double>& out,
               int64_t stride) const;

 private:
  MPI_Comm comm_;
  const Graph& whole_;
  /// Absent when the part is the whole graph.
  std::optional<Graph> own_;
  /// Owned nodes of the whole graph that belong to the part, from the first owned one.
  std::vector<int64_t> places_;
  /// Number in the part of the first of `places_`.
  int64_t first_ = 0;
};

}  // namespace ligase
