// Owns getting all embeddings into memory.
// Invariant: rows stand in the order of the manifest, on every rank the same; no rank uses a value
// of a sealed set before all of its files were compared with the manifest.
#pragma once

#include <mpi.h>

#include <vector>

#include "input/dataset.h"

namespace ligase {

/// All embeddings, float32 [rows, d], row-major, on every rank; the caller owns them. Collective.
/// Each shard's bytes are checked by one rank, each row group is decoded by one rank.
/// Memory: 4 rows d bytes on each rank, twice that on none.
/// @throws SolverError as verifyFile and readRows.
std::vector<float> loadRows(MPI_Comm comm, const Dataset& dataset);

}  // namespace ligase
