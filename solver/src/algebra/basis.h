// Owns a set of long vectors, dealt over the ranks by chunks of nodes.
// Invariants: a chunk is stored whole, column-major [4096, columns], zeros behind the last node; so
// each GEMM has the same shape on any rank, and a Gram matrix is a tree over the chunk index.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <vector>

#include "common/ranges.h"

namespace ligase {

class Basis {
 public:
  /// `columns` zero vectors over `count` nodes. Memory: 8 bytes x owned nodes x columns.
  Basis(MPI_Comm comm, int64_t count, int64_t columns);

  /// Values of a column at one owned chunk, [chunkSize].
  double* chunk(int64_t c, int64_t column) {
    return values_.data() + (c * columns_ + column) * chunkSize;
  }

  /// Columns [first, first + width) as row-major [owned nodes, width]. Not collective.
  void read(int64_t first, int64_t width, double* out);
  /// The other way. Not collective.
  void write(int64_t first, int64_t width, const double* rows);

  /// Q^T W, column-major [height, width], of columns [first, first + height) and
  /// [other, other + width). The same bits on every rank. Collective.
  std::vector<double> gram(int64_t first, int64_t height, int64_t other, int64_t width);

  /// W -= Q g; g column-major [height, width], `stride` apart. Not collective.
  void subtract(int64_t first, int64_t height, const double* g, int64_t stride, int64_t other,
                int64_t width);

  /// Columns [first, first + height) become themselves times u, column-major [height, width],
  /// `stride` apart; width <= height, the columns behind stay. Not collective.
  void rotate(int64_t first, int64_t height, const double* u, int64_t stride, int64_t width);

  /// W becomes W R^-1, R upper triangular, column-major [width, width]. Not collective.
  void solveTriangle(int64_t other, int64_t width, const std::vector<double>& r);

  /// Column `to` becomes column `from`. Not collective.
  void copy(int64_t from, int64_t to);

  const Range range;

 private:
  MPI_Comm comm_;
  int64_t count_;
  int64_t columns_;
  int64_t chunks_;
  std::vector<double> values_;
  std::vector<double> scratch_;
};

}  // namespace ligase
