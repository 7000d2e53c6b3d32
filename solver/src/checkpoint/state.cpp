// Owns the order of the steps up to the neighbours; see state.h.
#include "checkpoint/state.h"

#include <algorithm>

#include "common/errors.h"
#include "common/memory.h"
#include "common/progress.h"
#include "input/load.h"

namespace ligase {

namespace {

void requireNodes(const Nodes& nodes, const std::string& uri) {
  if (nodes.count() >= 2) return;
  throw SolverError(Exit::tooFewNodes,
                    "a graph needs 2 different embeddings, the set has " +
                        std::to_string(nodes.count()),
                    {{"uri", uri}, {"rows", nodes.ofRow.size()}});
}

/// Loads the set and searches it. Collective.
Searched search(MPI_Comm comm, const SearchRequest& request, Clock& clock) {
  const auto& [arguments, dataset, metric, isa] = request;
  Searched found;
  setPhase("load");
  FloatPages rows = loadRows(comm, dataset);
  clock.lap("load");
  setPhase("collapse");
  found.nodes =
      collapse(comm, std::move(rows), dataset.manifest.rows, dataset.manifest.dimensions);
  collectively(comm, [&, &arguments = arguments] {
    requireNodes(found.nodes, arguments.embeddings);
  });
  clock.lap("collapse");
  setPhase("knn");
  found.neighbors = nearest(comm, found.nodes, std::min(arguments.k, found.nodes.count() - 1),
                            metric == "l2" ? Metric::l2 : Metric::cosine, isa, arguments.threads,
                            found.undecided);
  found.nodes.values = {};
  clock.lap("knn");
  return found;
}

}  // namespace

Searched searchOrRestore(MPI_Comm comm, const SearchRequest& request, Clock& clock,
                         std::optional<Checkpoint>& checkpoint) {
  const auto& [arguments, dataset, metric, isa] = request;
  if (arguments.work.empty()) return search(comm, request, clock);
  checkpoint.emplace(comm, arguments.work, checkpointKey(comm, dataset, metric, arguments.k));
  Searched found;
  if (arguments.restart) found.restored = checkpoint->restore(found.nodes, found.neighbors);
  clock.lap("restore");
  if (found.restored) return found;
  found = search(comm, request, clock);
  setPhase("checkpoint");
  checkpoint->save(found.nodes, found.neighbors);
  clock.lap("checkpoint");
  return found;
}

int64_t requireMemory(const Arguments& arguments, const Dataset& dataset, int ranks) {
  const Manifest& manifest = dataset.manifest;
  const MemoryPlan plan{manifest.rows,
                        manifest.dimensions,
                        std::min(arguments.k, std::max<int64_t>(manifest.rows, 1)),
                        (int64_t)firstRows(manifest).size() + arguments.fields,
                        (int64_t)arguments.times.size(),
                        arguments.modes,
                        ranks,
                        arguments.threads};
  const int64_t needed = memoryNeeded(plan);
  if (arguments.memoryBytes == 0 || needed <= arguments.memoryBytes) return needed;
  throw SolverError(Exit::overBudget,
                    "a rank needs " + std::to_string(needed) +
                        " bytes, more than --memory-bytes; more ranks need less each",
                    {{"uri", arguments.embeddings}, {"neededBytes", needed}, {"ranks", ranks}});
}

}  // namespace ligase
