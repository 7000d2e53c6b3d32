// Owns getting embeddings into memory.
// Invariant: no rank uses a value of a sealed set before all of its files were compared with the
// manifest.
#pragma once

#include <mpi.h>

#include "common/pages.h"
#include "input/dataset.h"

namespace ligase {

/// This rank's embeddings, float32 [searchRange(rows), d], row-major, in the order of the manifest;
/// the caller owns them. Collective.
/// A rank reads the row groups that hold its rows; one that lies over an edge is read by two.
/// Memory: its rows and a few MiB.
/// @throws SolverError as verifyShards and readRows.
FloatPages loadRows(MPI_Comm comm, const Dataset& dataset);

}  // namespace ligase
