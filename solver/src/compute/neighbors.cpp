// Owns norms and the order of the two passes; see neighbors.h.
#include "compute/neighbors.h"

#include <algorithm>
#include <cmath>

#include "common/errors.h"
#include "search/refine.h"
#include "search/select.h"

namespace ligase {

namespace {

/// Norm of each node of this rank under cosine, else nothing.
std::vector<double> norms(const Nodes& nodes, Metric metric) {
  std::vector<double> result;
  if (metric == Metric::l2) return result;
  for (int64_t i = 0; i < nodes.range.size(); i++) {
    const float* row = nodes.values.data() + i * nodes.dimensions;
    double sum = 0;
    for (int64_t d = 0; d < nodes.dimensions; d++) sum += (double)row[d] * (double)row[d];
    if (sum == 0) {
      const auto first = std::find(nodes.ofRow.begin(), nodes.ofRow.end(), nodes.range.lo + i);
      throw SolverError(Exit::badData, "a zero vector has no direction: no cosine distance",
                        {{"row", first - nodes.ofRow.begin()}});
    }
    result.push_back(std::sqrt(sum));
  }
  return result;
}

}  // namespace

Neighbors nearest(MPI_Comm comm, const Nodes& nodes, int64_t k, Metric metric, const Isa& isa,
                  int threads, int64_t& undecided) {
  std::vector<double> own;
  collectively(comm, [&] { own = norms(nodes, metric); });
  const SearchTask task{comm, nodes, own, k, isa, threads};
  const Selection selection = selectCandidates(task);
  undecided = (int64_t)selection.undecided.size();
  MPI_Allreduce(MPI_IN_PLACE, &undecided, 1, MPI_INT64_T, MPI_SUM, comm);
  return refine(task, selection);
}

}  // namespace ligase
