// Owns the division of the input over ranks; see load.h.
#include "input/load.h"

#include "common/errors.h"
#include "common/ranges.h"
#include "input/shard.h"

namespace ligase {

namespace {

/// Some row groups of one shard that one rank decodes; consecutive, never empty.
struct Piece {
  size_t shard;
  size_t groupLo;
  size_t groupHi;
  int64_t firstRow;
  int64_t rows;
};

/// Whole row groups, dealt by their first row: rank r's rows are consecutive and follow r - 1's.
std::vector<std::vector<Piece>> deal(const Manifest& manifest, int ranks) {
  std::vector<std::vector<Piece>> pieces((size_t)ranks);
  for (size_t s = 0; s < manifest.shards.size(); s++) {
    const Shard& shard = manifest.shards[s];
    int64_t row = shard.firstRow;
    for (size_t g = 0; g < shard.rowGroups.size(); g++) {
      const int64_t rows = shard.rowGroups[g];
      if (rows == 0) continue;
      auto& own = pieces[(size_t)(row * ranks / manifest.rows)];
      if (!own.empty() && own.back().shard == s && own.back().groupHi == g) {
        own.back().groupHi++;
        own.back().rows += rows;
      } else {
        own.push_back({s, g, g + 1, row, rows});
      }
      row += rows;
    }
  }
  return pieces;
}

Range rowsOf(const std::vector<Piece>& pieces, int64_t before) {
  if (pieces.empty()) return {before, before};
  return {pieces.front().firstRow, pieces.back().firstRow + pieces.back().rows};
}

/// Where each rank's rows lie in the whole.
Layout layoutOf(const std::vector<std::vector<Piece>>& pieces) {
  int64_t before = 0;
  return Layout((int)pieces.size(), [&](int r) {
    const Range range = rowsOf(pieces[(size_t)r], before);
    before = range.hi;
    return range;
  });
}

}  // namespace

std::vector<float> loadRows(MPI_Comm comm, const Dataset& dataset) {
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  const Manifest& manifest = dataset.manifest;
  collectively(comm, [&] {
    if (!dataset.sealed) return;
    for (size_t s = (size_t)rank; s < manifest.shards.size(); s += (size_t)ranks) {
      verifyFile(dataset.path(manifest.shards[s]), manifest.shards[s]);
    }
  });
  const auto pieces = deal(manifest, ranks);
  const auto width = (size_t)manifest.dimensions;
  std::vector<float> rows;
  collectively(comm, [&] {
    rows.resize((size_t)manifest.rows * width);
    for (const Piece& piece : pieces[(size_t)rank]) {
      const Shard& shard = manifest.shards[piece.shard];
      readRows(dataset.path(shard), shard, manifest.dimensions, piece.groupLo, piece.groupHi,
               rows.data() + (size_t)piece.firstRow * width);
    }
  });
  const Layout layout = layoutOf(pieces);
  MPI_Datatype row = MPI_DATATYPE_NULL;
  MPI_Type_contiguous((int)width, MPI_FLOAT, &row);
  MPI_Type_commit(&row);
  MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, rows.data(), layout.counts.data(),
                 layout.offsets.data(), row, comm);
  MPI_Type_free(&row);
  return rows;
}

}  // namespace ligase
