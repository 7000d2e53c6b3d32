// Owns reading one Parquet file: its layout, its checksum, its `embedding` column.
// Invariant: a row is handed on only if it holds exactly d finite float32 values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "input/manifest.h"

namespace ligase {

/// A single file as a manifest would list it: rows, row groups, and d by its first row.
/// Not collective. @throws SolverError BAD_DATA, NO_INPUT.
Manifest describeFile(const std::string& path);

/// Compares the file with its manifest entry: size, crc32c of all bytes, rows of
/// each row group. Not collective.
/// @throws SolverError NO_INPUT when it isn't there, BAD_DATA when it differs, IO_ERROR.
void verifyFile(const std::string& path, const Shard& shard);

/// Decodes row groups [groupLo, groupHi) into `out`, float32 [rows of these groups, d], row-major;
/// the caller owns it. Not collective.
/// @throws SolverError BAD_DATA with uri and row (from 0 in the file).
void readRows(const std::string& path, const Shard& shard, int64_t dimensions, size_t groupLo,
              size_t groupHi, float* out);

}  // namespace ligase
