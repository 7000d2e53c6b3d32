// Owns k-means in fp64.
// Invariants: no GEMM; sums are trees over the chunks of the whole graph; random numbers are keyed
// by (seed, restart, draw, node); equally near centres and equally good restarts: the first wins.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <vector>

#include "common/ranges.h"

namespace ligase {

/// Some of the owned nodes as points.
struct Points {
  /// Nodes of the whole graph, and those owned.
  int64_t count = 0;
  Range range;
  /// Ascending, from the first owned node on.
  std::vector<int64_t> places;
  /// [places, dimensions], row-major.
  std::vector<double> values;
  int64_t dimensions = 0;
};

struct Partition {
  /// Of each place: its centre.
  std::vector<int32_t> centre;
  /// 1 - distance to it / distance to the next nearest; 1 where there is one centre alone.
  std::vector<double> margin;
  /// Sum of squared distances to the centres over all ranks.
  double inertia = 0;
};

/// The best of 10 runs of Lloyd's iteration, each from k-means++ seeds. Some centre may have no
/// points where there are fewer different points than centres. Collective.
Partition kmeans(MPI_Comm comm, const Points& points, int64_t centres, uint64_t seed);

}  // namespace ligase
