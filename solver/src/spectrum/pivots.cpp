// Owns the search for pivots; see pivots.h. Maxima and minima over ranks are exact, so no sum over
// nodes is needed.
#include "spectrum/pivots.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ligase {

namespace {

constexpr double asLarge = 1 - 1e-6;

double dot(const double* a, const double* b, int64_t width) {
  double sum = 0;
  for (int64_t v = 0; v < width; v++) sum += a[v] * b[v];
  return sum;
}

/// The rows [owned nodes, width] at the first node whose row is about as long as the longest; the
/// same on every rank. Collective.
std::vector<double> pivotRow(MPI_Comm comm, const Range& range, const std::vector<double>& rows,
                             int64_t width) {
  double largest = 0;
  for (int64_t i = 0; i < range.size(); i++) {
    largest = std::max(largest, dot(&rows[(size_t)(i * width)], &rows[(size_t)(i * width)], width));
  }
  MPI_Allreduce(MPI_IN_PLACE, &largest, 1, MPI_DOUBLE, MPI_MAX, comm);
  int64_t node = std::numeric_limits<int64_t>::max();
  for (int64_t i = 0; i < range.size() && node > range.hi; i++) {
    const double* row = &rows[(size_t)(i * width)];
    if (dot(row, row, width) >= asLarge * largest) node = range.lo + i;
  }
  MPI_Allreduce(MPI_IN_PLACE, &node, 1, MPI_INT64_T, MPI_MIN, comm);
  // Exact: all but one rank add nothing, and the one that has the node gives its row.
  std::vector<double> row((size_t)width, -std::numeric_limits<double>::infinity());
  if (node >= range.lo && node < range.hi) {
    std::copy_n(&rows[(size_t)((node - range.lo) * width)], width, row.begin());
  }
  MPI_Allreduce(MPI_IN_PLACE, row.data(), (int)width, MPI_DOUBLE, MPI_MAX, comm);
  return row;
}

}  // namespace

void rotateToPivots(MPI_Comm comm, Basis& basis, int64_t first, int64_t width) {
  const Range range = basis.range;
  std::vector<double> rows((size_t)(range.size() * width));
  basis.read(first, width, rows.data());
  std::vector<double> rotation;
  for (int64_t v = 0; v < width; v++) {
    std::vector<double> direction = pivotRow(comm, range, rows, width);
    // Twice: the rows were made orthogonal to those before only once.
    for (int64_t before = 0; before < v; before++) {
      const double* other = &rotation[(size_t)(before * width)];
      const double along = dot(direction.data(), other, width);
      for (int64_t c = 0; c < width; c++) direction[(size_t)c] -= along * other[c];
    }
    const double length = std::sqrt(dot(direction.data(), direction.data(), width));
    for (double& value : direction) value /= length;
    for (int64_t i = 0; i < range.size(); i++) {
      double* row = &rows[(size_t)(i * width)];
      const double along = dot(row, direction.data(), width);
      for (int64_t c = 0; c < width; c++) row[c] -= along * direction[(size_t)c];
    }
    rotation.insert(rotation.end(), direction.begin(), direction.end());
  }
  basis.rotate(first, width, rotation.data(), width, width);
}

}  // namespace ligase
