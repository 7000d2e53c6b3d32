// Owns the division of the input over ranks; see load.h.
#include "input/load.h"

#include <algorithm>

#include "common/errors.h"
#include "common/progress.h"
#include "common/ranges.h"
#include "input/shard.h"
#include "input/verify.h"

namespace ligase {

FloatPages loadRows(MPI_Comm comm, const Dataset& dataset) {
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  const Manifest& manifest = dataset.manifest;
  if (dataset.sealed) verifyShards(comm, dataset);
  const Range own = searchRange(manifest.rows, rank, ranks);
  FloatPages rows;
  collectively(comm, [&] {
    rows.resize((size_t)(own.size() * manifest.dimensions));
    for (const Shard& shard : manifest.shards) {
      const Range part{std::max(own.lo, shard.firstRow),
                       std::min(own.hi, shard.firstRow + shard.rows)};
      if (part.lo >= part.hi) continue;
      readRows(dataset.path(shard), shard, manifest.dimensions,
               {part.lo - shard.firstRow, part.hi - shard.firstRow},
               rows.data() + (part.lo - own.lo) * manifest.dimensions);
      setFraction(0.5 + (double)(part.hi - own.lo) / (double)own.size() / 2);
    }
  });
  return rows;
}

}  // namespace ligase
