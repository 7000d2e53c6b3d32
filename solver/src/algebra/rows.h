// Owns the product of the graph's matrix with a block of vectors.
// Invariants: one accumulator per row and vector, in the order of the columns of the whole graph;
// so the bits depend neither on ranks nor on how many vectors go together.
#pragma once

#include <mpi.h>

#include <vector>

#include "algebra/fetch.h"
#include "compute/graph.h"

namespace ligase {

/// The owned rows of a matrix that has the graph's pattern.
class Rows {
 public:
  /// The weights W themselves. Collective. `graph` is borrowed.
  Rows(MPI_Comm comm, const Graph& graph);

  /// S = D^-1/2 W D^-1/2 in place of W, symmetric bit for bit; every degree > 0. Collective.
  static Rows symmetric(MPI_Comm comm, const Graph& graph);

  /// y = M x for `width` vectors. Collective.
  /// @param x - [owned nodes, width], row-major; y likewise, another buffer.
  void multiply(const double* x, int64_t width, double* y);

  /// x of all columns in use, as `column` numbers them; valid until the next call. Collective.
  const double* fetch(const double* x, int64_t width) { return fetch_.values(x, width); }

  /// Calls `visit(row, column, weight)` for the stored entries; row counts from the first owned
  /// one. Not collective.
  template <class Visit>
  void each(Visit visit) const {
    for (int64_t i = 0; i < graph_->range.size(); i++) {
      for (int64_t e = graph_->offsets[(size_t)i]; e < graph_->offsets[(size_t)i + 1]; e++) {
        visit(i, columns_[(size_t)e], weights()[(size_t)e]);
      }
    }
  }

 private:
  Rows(MPI_Comm comm, const Graph& graph, const std::vector<int32_t>& wanted);
  const std::vector<double>& weights() const {
    return scaled_.empty() ? graph_->weights : scaled_;
  }

  const Graph* graph_;
  /// Places of the columns among the wanted ones: ascending as the columns are.
  std::vector<int32_t> columns_;
  std::vector<double> scaled_;
  Fetch fetch_;
};

}  // namespace ligase
