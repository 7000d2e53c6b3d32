// Owns the layout of the result: dimensions, variables, units, attributes.
// Invariants: the bytes are a function of the set and the settings: fixed dimensions, contiguous
// variables without fill or compression, one define phase, one write per variable (and time), no
// strings, and no attribute that names a time, host, path or number of ranks.
#pragma once

#include <mpi.h>

#include <string>
#include <vector>

#include "compute/collapse.h"
#include "compute/graph.h"
#include "compute/heat.h"
#include "compute/neighbors.h"
#include "products/clusters.h"
#include "products/fields.h"
#include "spectrum/spectrum.h"

namespace ligase {

/// All that goes into a file; everything is borrowed.
struct Result {
  const Nodes& nodes;
  const Neighbors& neighbors;
  const Graph& graph;
  const std::vector<double>& times;
  const Fields& fields;
  const Heat& heat;
  /// Of the nodes in neighbors.range.
  const std::vector<double>& outliers;
  const Spectrum& spectrum;
  /// walkVectors.
  const std::vector<double>& walk;
  const Clusters& clusters;
  /// Without names when samples aren't known.
  const SampleTable& samples;
  RowView& view;
  std::string metric;
  /// < 2^53.
  uint64_t seed;
};

/// Writes the file at `path`, which may exist and is truncated. Collective.
/// @throws SolverError IO_ERROR, on the failing rank alone.
void writeNetcdf(MPI_Comm comm, const std::string& path, const Result& result);

}  // namespace ligase
