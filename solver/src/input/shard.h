// Owns reading one Parquet file: its layout and its `embedding` column.
// Invariant: a row is handed on only if it holds exactly d finite float32 values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/ranges.h"
#include "input/manifest.h"

namespace ligase {

/// A single file as a manifest would list it: rows, row groups, and d by its first row.
/// Not collective. @throws SolverError BAD_DATA, NO_INPUT.
Manifest describeFile(const std::string& path);

/// Compares the rows of the file's row groups with its manifest entry. Not collective.
/// @throws SolverError NO_INPUT when it isn't there, BAD_DATA when it differs, IO_ERROR.
void verifyRowGroups(const std::string& path, const Shard& shard);

/// Decodes the rows [lo, hi) of the file into `out`, float32 [hi - lo, d], row-major; the caller
/// owns it. Row groups outside aren't touched; of one that is partly inside, the rows before `lo`
/// are passed over and those from `hi` on aren't read. Not collective.
/// @throws SolverError BAD_DATA or NOT_FINITE with uri and row (from 0 in the file).
void readRows(const std::string& path, const Shard& shard, int64_t dimensions, Range rows,
              float* out);

}  // namespace ligase
