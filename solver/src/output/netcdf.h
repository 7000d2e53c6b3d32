// Owns the layout of the result: dimensions, variables, units, attributes.
// Invariants: the bytes are a function of the set and the settings: fixed dimensions, contiguous
// variables without fill or compression, one define phase, one write per variable, and no attribute
// that names a time, host, path or number of ranks.
#pragma once

#include <mpi.h>

#include <string>
#include <vector>

#include "compute/collapse.h"
#include "compute/graph.h"
#include "compute/heat.h"
#include "compute/neighbors.h"
#include "input/dataset.h"

namespace ligase {

/// All that goes into a file; everything is borrowed.
struct Result {
  const Nodes& nodes;
  const Neighbors& neighbors;
  const Graph& graph;
  const Heat& heat;
  const std::vector<Field>& fields;
  const std::vector<double>& times;
  std::string metric;
};

/// Writes the file at `path`, which may exist and is truncated. Collective.
/// @throws SolverError IO_ERROR, on the failing rank alone.
void writeNetcdf(MPI_Comm comm, const std::string& path, const Result& result);

}  // namespace ligase
