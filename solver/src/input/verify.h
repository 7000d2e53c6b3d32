// Owns the comparison of a set's files with its manifest.
// Invariant: every byte of every shard is read for it once, by one rank.
#pragma once

#include <mpi.h>

#include <string>

#include "input/dataset.h"

namespace ligase {

/// Compares size, crc32c of all bytes and rows of each row group with the manifest. The bytes of
/// all shards together are divided evenly over the ranks. Collective.
/// @throws SolverError NO_INPUT when a shard isn't there, BAD_DATA when it differs, IO_ERROR.
void verifyShards(MPI_Comm comm, const Dataset& dataset);

/// What tells this set's bytes from any other's: of a sealed set the sha256 of its manifest, which
/// holds the digests of all shards; of a single file its size and checksum. On all ranks the same.
/// Collective. @throws SolverError NO_INPUT, IO_ERROR.
std::string identify(MPI_Comm comm, const Dataset& dataset);

}  // namespace ligase
