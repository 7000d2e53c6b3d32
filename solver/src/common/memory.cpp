// Owns the estimate of memory; see memory.h. Each term names who allocates it.
#include "common/memory.h"

#include <sys/resource.h>

#include <algorithm>

#include "common/ranges.h"
#include "search/ring.h"

namespace ligase {

namespace {

/// MPI, HDF5, Parquet and what they keep: 56 MB with a set of 4,000 rows.
constexpr int64_t processBytes = 64 << 20;

/// collapse: rows, once more where duplicates move rows to other ranks; table, hashes, first rows.
int64_t collapsing(const MemoryPlan& plan, int64_t own) {
  const int64_t copies = plan.ranks > 1 ? 2 : 1;
  return own * (copies * plan.dimensions * 4 + 48);
}

/// search: rows, lists of candidates, travelling and packed pieces, scratch; refined ones.
int64_t searching(const MemoryPlan& plan, int64_t own) {
  const int64_t piece = std::min(pieceNodes(plan.dimensions), own) * plan.dimensions;
  const int64_t travelling = plan.ranks > 1 ? 2 * 4 * piece : 0;
  // Lists grow where many nodes are nearly as near: to 180 in random sets of 1,024 dimensions.
  const int64_t list = 12 * (2 * plan.k + 160) + 64;
  const int64_t refined = 12 * (plan.k + 8) + 64 + 12 * plan.k;
  const int64_t scratch = plan.threads * (plan.dimensions * 4096 + (int64_t{1} << 19));
  return own * (plan.dimensions * 4 + std::max(list, refined)) + travelling +
         std::max(4 * piece, 8 * piece + scratch);
}

/// graph: neighbours, their edges sent, received and sorted; then heat at all times and four of its
/// vectors; the basis of Lanczos, 58 vectors beside 2 for each mode, and its products; at the end
/// modes thrice and one time's values of rows.
int64_t diffusing(const MemoryPlan& plan, int64_t own) {
  const int64_t chunks = (plan.rows + chunkSize - 1) / chunkSize;
  const int64_t owned = std::min(plan.rows, (chunks / plan.ranks + 1) * chunkSize);
  const int64_t lanczos = plan.modes > 0 ? 2 * plan.modes + 59 + 4 : 0;
  const int64_t last = 4 * plan.modes + 2 * plan.fields;
  return own * plan.k * (12 + 2 * 16 * 2 + 2 * 12) +
         8 * owned * (plan.fields * (plan.times + 4) + std::max(lanczos, last));
}

}  // namespace

int64_t memoryNeeded(const MemoryPlan& plan) {
  const int64_t own = std::min(plan.rows, (plan.rows + plan.ranks - 1) / plan.ranks + blockSize);
  const int64_t numbers = 12 * plan.rows;
  return processBytes + numbers +
         std::max({collapsing(plan, own), searching(plan, own), diffusing(plan, own)});
}

int64_t peakMemory(MPI_Comm comm) {
  struct rusage usage {};
  getrusage(RUSAGE_SELF, &usage);
  int64_t bytes = usage.ru_maxrss * 1024;
  MPI_Allreduce(MPI_IN_PLACE, &bytes, 1, MPI_INT64_T, MPI_MAX, comm);
  return bytes;
}

}  // namespace ligase
