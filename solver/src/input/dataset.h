// Owns what `--embeddings` may name and where the default result goes.
// Invariant: one rank looks at the file system; all ranks hold the same answer.
#pragma once

#include <mpi.h>

#include <string>
#include <vector>

#include "input/manifest.h"

namespace ligase {

/// A manifest and where its shards lie.
struct Dataset {
  Manifest manifest;
  /// Folder of the shards, ending in `/`, or empty.
  std::string folder;
  /// False for a single Parquet file: then its checksum isn't known.
  bool sealed = true;
  /// sha256 of the manifest's bytes, 64 hex digits; empty when not sealed.
  std::string digest;

  std::string path(const Shard& shard) const { return folder + shard.file; }
};

/// What stands at `uri`: a manifest (.json), a folder that holds one and `_SUCCESS`, or one Parquet
/// file. A manifest named itself needs no `_SUCCESS`: it is complete and checks its shards.
/// Rank 0 alone looks; all ranks get the same. Collective.
/// @throws SolverError NO_INPUT, BAD_DATA, IO_ERROR.
Dataset openDataset(MPI_Comm comm, const std::string& uri);

/// `<stem>_sim.nc` beside the file, or beside the folder (a manifest stands for its folder).
/// Not collective.
std::string defaultOutput(const std::string& uri);

/// First row of each input that has rows.
struct Field {
  /// Index of the input.
  int64_t input;
  int64_t row;
};

/// One field per input with at least one row, in the order of the inputs. Not collective.
std::vector<Field> firstRows(const Manifest& manifest);

}  // namespace ligase
