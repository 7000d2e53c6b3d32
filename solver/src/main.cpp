// Owns the order of the solve and how the process ends.
// Invariants: a failure is one JSON line on stderr and an exit code of errors.h; a rank that fails
// alone aborts the others; nothing is left under the output's name unless it is whole.
#include <mpi.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "algebra/dense.h"
#include "algebra/fetch.h"
#include "checkpoint/state.h"
#include "common/clock.h"
#include "common/errors.h"
#include "common/memory.h"
#include "common/progress.h"
#include "compute/collapse.h"
#include "compute/graph.h"
#include "compute/heat.h"
#include "compute/neighbors.h"
#include "input/arguments.h"
#include "input/dataset.h"
#include "output/netcdf.h"
#include "output/publish.h"
#include "products/clusters.h"
#include "products/coordinates.h"
#include "products/fields.h"
#include "products/outliers.h"
#include "spectrum/spectrum.h"

namespace ligase {

using Json = nlohmann::ordered_json;

namespace {

int64_t componentCount(const Graph& graph) {
  int64_t count = 0;
  for (int64_t i = 0; i < graph.count; i++) count += graph.component[(size_t)i] == i ? 1 : 0;
  return count;
}

/// Nodes of the largest component over all nodes.
double largestShare(const Graph& graph) {
  std::vector<int64_t> sizes((size_t)graph.count, 0);
  for (const int32_t label : graph.component) sizes[(size_t)label]++;
  return (double)*std::max_element(sizes.begin(), sizes.end()) / (double)graph.count;
}

/// What a person should know of a result that is right all the same.
std::vector<std::string> warningsOf(const Graph& graph, const Spectrum& spectrum,
                                    const Clusters& clusters, const Arguments& arguments) {
  std::vector<std::string> warnings;
  if (largestShare(graph) < 0.5) {
    warnings.push_back("the largest of " + std::to_string(componentCount(graph)) +
                       " components holds under half of the nodes");
  }
  int64_t unsettled = 0;
  for (const PartSpectrum& part : spectrum.parts) {
    for (const double residual : part.residuals) unsettled += residual > residualMax ? 1 : 0;
  }
  if (unsettled > 0) {
    warnings.push_back(std::to_string(unsettled) + " modes have a residual over 1e-8");
  }
  if (arguments.modes > 0 && spectrum.parts.empty()) {
    warnings.push_back("no component is large enough for modes and clusters");
  } else if (arguments.modes > 0 && arguments.clusters == 0 && !clusters.clearGap()) {
    warnings.push_back("no clear gap tells the number of clusters: it is a guess");
  }
  return warnings;
}

/// What was asked for and searched, for the run facts. Collective.
Json searchFacts(MPI_Comm comm, const SearchRequest& request, const Searched& searched,
                 int64_t needed) {
  int ranks = 1;
  MPI_Comm_size(comm, &ranks);
  const int64_t peak = peakMemory(comm);
  return {{"schema", 1},
          {"solver", "mpi_dna_seq 2"},
          {"ranks", ranks},
          {"threads", request.arguments.threads},
          {"isa", request.isa.name},
          {"rows", request.dataset.manifest.rows},
          {"nodes", searched.nodes.count()},
          {"dimensions", request.dataset.manifest.dimensions},
          {"metric", request.metric},
          {"k", searched.neighbors.k},
          {"undecided", searched.undecided},
          {"restored", searched.restored},
          {"memory", {{"needed", needed}, {"peak", peak}}},
          {"times", request.arguments.times},
          {"seed", request.arguments.seed}};
}

/// The whole of phase 2. Collective.
void solve(MPI_Comm comm, const std::vector<std::string>& argv) {
  useOneBlasThread();
  Clock clock;
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  Arguments arguments;
  Isa isa;
  collectively(comm, [&] {
    arguments = parseArguments(argv);
    isa = chooseIsa(arguments.isa);
  });
  std::optional<ProgressLines> lines(rank == 0);
  const Dataset dataset = openDataset(comm, arguments.embeddings);
  int64_t needed = 0;
  collectively(comm, [&] { needed = requireMemory(arguments, dataset, ranks); });
  const std::string path =
      arguments.output.empty() ? defaultOutput(arguments.embeddings) : arguments.output;
  Output output(comm, path);
  const std::string metric = arguments.metric.empty() ? dataset.manifest.metric : arguments.metric;
  const SearchRequest request{arguments, dataset, metric, isa};
  std::optional<Checkpoint> checkpoint;
  const Searched searched = searchOrRestore(comm, request, clock, checkpoint);
  const Nodes& nodes = searched.nodes;
  const Neighbors& neighbors = searched.neighbors;
  setPhase("graph");
  const Graph graph = buildGraph(comm, neighbors, nodes.count());
  clock.lap("graph");
  setPhase("heat");
  const auto seed = (uint64_t)arguments.seed;
  Fields fields = startFields(graph.range, firstRows(dataset.manifest), nodes.ofRow,
                              arguments.fields, seed);
  const Heat heat = diffuse(comm, graph, fields.start, fields.count(), arguments.times);
  clock.lap("heat");
  setPhase("spectrum");
  const Spectrum spectrum =
      findSpectrum(comm, graph, {.modes = arguments.modes, .seed = seed, .sizes = {}});
  clock.lap("spectrum");
  setPhase("clusters");
  const std::vector<double> walk = walkVectors(comm, graph, spectrum);
  const Clusters clusters = findClusters(comm, graph, spectrum, walk, arguments.clusters,
                                         arguments.times.front(), seed);
  const std::vector<double> outliers = outlierScores(comm, neighbors, nodes.count());
  RowView view(comm, nodes.ofRow, nodes.count());
  const SampleTable samples =
      dataset.sealed ? tabulate(comm, clusters, dataset.manifest, view) : SampleTable{};
  clock.lap("clusters");
  setPhase("write");
  writeNetcdf(comm, output.partial(),
              {nodes, neighbors, graph, arguments.times, fields, heat, outliers, spectrum, walk,
               clusters, samples, view, metric, seed});
  clock.lap("write");
  Json facts = searchFacts(comm, request, searched, needed);
  facts.update({{"fields", fields.count()},
                {"components", componentCount(graph)},
                {"largestShare", largestShare(graph)},
                {"parts", spectrum.parts.size()},
                {"modes", spectrum.modes},
                {"clusters", clusters.list.size()},
                {"clearGap", clusters.clearGap()},
                {"warnings", warningsOf(graph, spectrum, clusters, arguments)},
                {"products", {{"heat", heat.products}, {"spectrum", spectrum.products}}},
                {"seconds", clock.seconds()}});
  output.publish(facts);
  if (checkpoint) checkpoint->remove();
  lines.reset();
  if (rank == 0) std::printf("%s\n", facts.dump().c_str());
}

/// The answers that need no ranks; false when argv asks for a solve.
bool answer(const std::vector<std::string>& argv) {
  Arguments arguments;
  try {
    arguments = parseArguments(argv);
  } catch (const SolverError&) {
    return false;
  }
  if (arguments.mode == Mode::solve) return false;
  if (arguments.mode == Mode::help) std::fputs(helpText, stdout);
  if (arguments.mode == Mode::exitCodes) std::printf("%s\n", exitTable().dump().c_str());
  if (arguments.mode == Mode::checkManifest) {
    std::ifstream file(arguments.embeddings, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    if (!file) throw SolverError(Exit::noInput, "no such file", {{"uri", arguments.embeddings}});
    const Manifest manifest = parseManifest(text, arguments.embeddings);
    std::printf("%s\n", manifestSummary(manifest).dump().c_str());
  }
  return true;
}

int fail(const SolverError& error) {
  std::fprintf(stderr, "%s\n", error.line().c_str());
  return (int)error.exit;
}

int run(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (answer(arguments)) return 0;
  } catch (...) {
    return fail(currentError());
  }
  // ROMIO in place of OpenMPI's own file layer, which says success when a write fails (a full disk)
  // and leaves the other ranks waiting. Who sets the variable decides.
  setenv("OMPI_MCA_io", "^ompio", 0);
  // Threads compute, the main one alone talks to other ranks.
  int granted = MPI_THREAD_SINGLE;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &granted);
  int code = 0;
  try {
    solve(MPI_COMM_WORLD, arguments);
  } catch (...) {
    const SolverError error = currentError();
    if (!error.agreed) abortAll(error);
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    code = (int)error.exit;
    if (rank == 0) fail(error);
  }
  MPI_Finalize();
  return code;
}

}  // namespace
}  // namespace ligase

int main(int argc, char** argv) { return ligase::run(argc, argv); }
