// Owns the fast way to a column of equal lists: pages decoded straight to their place.
// Invariant: it takes only pages whose levels say, value for value, that each row holds exactly d
// values and none is missing; anything else is left to who reads level by level and names faults.
#pragma once

#include <parquet/file_reader.h>

#include <cstdint>

#include "common/ranges.h"

namespace ligase {

/// Whether `count` repetition levels of one bit start a list at every `dimensions` values, and
/// nowhere else. @param inRow - values of the present list that came before; 0 at its start.
/// @param data - levels in Parquet's hybrid of runs and packed bits; never read beyond `bytes`.
bool startsEvery(const uint8_t* data, int64_t bytes, int64_t count, int64_t dimensions,
                 int64_t inRow);

/// Whether `count` levels of `width` bits are all `level`; the same coding.
bool allLevels(const uint8_t* data, int64_t bytes, int64_t count, int width, int level);

/// Whether every value is neither infinite nor NaN.
bool allFinite(const float* values, int64_t count);

/// Decodes rows [lo, hi) of a row group into `out`, float32 [hi - lo, d], row-major.
/// @returns false when the pages aren't of the plain kind: what `out` holds then means nothing.
/// @throws parquet::ParquetException for a file that can't be read.
bool readPages(parquet::ParquetFileReader& file, int group, int column, int64_t dimensions,
               Range rows, float* out);

}  // namespace ligase
