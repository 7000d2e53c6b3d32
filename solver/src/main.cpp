// Owns the order of the solve and how the process ends.
// Invariants: a failure is one JSON line on stderr and an exit code of errors.h; a rank that fails
// alone aborts the others; nothing is left under the output's name unless it is whole.
#include <mpi.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "common/errors.h"
#include "compute/collapse.h"
#include "compute/graph.h"
#include "compute/heat.h"
#include "compute/neighbors.h"
#include "input/arguments.h"
#include "input/dataset.h"
#include "input/load.h"
#include "output/netcdf.h"
#include "output/publish.h"

namespace ligase {

using Json = nlohmann::ordered_json;

namespace {

/// Seconds of each step, for the run facts only.
class Clock {
 public:
  void lap(const char* step) {
    const double now = MPI_Wtime();
    seconds_[step] = now - before_;
    before_ = now;
  }
  Json seconds() const { return seconds_; }

 private:
  double before_ = MPI_Wtime();
  Json seconds_ = Json::object();
};

void requireNodes(const Nodes& nodes, const std::string& uri) {
  if (nodes.count() >= 2) return;
  throw SolverError(Exit::tooFewNodes,
                    "a graph needs 2 different embeddings, the set has " +
                        std::to_string(nodes.count()),
                    {{"uri", uri}, {"rows", nodes.ofRow.size()}});
}

std::vector<int32_t> sourcesOf(const std::vector<Field>& fields, const Nodes& nodes) {
  std::vector<int32_t> sources;
  for (const Field& field : fields) sources.push_back(nodes.ofRow[(size_t)field.row]);
  return sources;
}

int64_t componentCount(const Graph& graph) {
  int64_t count = 0;
  for (int64_t i = 0; i < graph.count; i++) count += graph.component[(size_t)i] == i ? 1 : 0;
  return count;
}

/// The whole of phase 2. Collective.
void solve(MPI_Comm comm, const std::vector<std::string>& argv) {
  Clock clock;
  Arguments arguments;
  Isa isa;
  collectively(comm, [&] {
    arguments = parseArguments(argv);
    isa = chooseIsa(arguments.isa);
  });
  const Dataset dataset = openDataset(comm, arguments.embeddings);
  const std::string path =
      arguments.output.empty() ? defaultOutput(arguments.embeddings) : arguments.output;
  Output output(comm, path);
  std::vector<float> rows = loadRows(comm, dataset);
  clock.lap("load");
  Nodes nodes;
  collectively(comm, [&] {
    nodes = collapse(std::move(rows), dataset.manifest.dimensions);
    requireNodes(nodes, arguments.embeddings);
  });
  clock.lap("collapse");
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  const std::string metric = arguments.metric.empty() ? dataset.manifest.metric : arguments.metric;
  Neighbors neighbors;
  collectively(comm, [&] {
    neighbors = nearest(nodes, searchRange(nodes.count(), rank, ranks),
                        std::min(arguments.k, nodes.count() - 1),
                        metric == "l2" ? Metric::l2 : Metric::cosine, isa);
  });
  clock.lap("knn");
  const Graph graph = buildGraph(comm, neighbors, nodes.count());
  clock.lap("graph");
  const std::vector<Field> fields = firstRows(dataset.manifest);
  const Heat heat = diffuse(comm, graph, sourcesOf(fields, nodes), arguments.times);
  clock.lap("heat");
  writeNetcdf(comm, output.partial(),
              {nodes, neighbors, graph, heat, fields, arguments.times, metric});
  clock.lap("write");
  const Json facts = {{"schema", 1},
                      {"solver", "mpi_dna_seq 1"},
                      {"ranks", ranks},
                      {"isa", isa.name},
                      {"rows", dataset.manifest.rows},
                      {"nodes", nodes.count()},
                      {"dimensions", dataset.manifest.dimensions},
                      {"metric", metric},
                      {"k", neighbors.k},
                      {"times", arguments.times},
                      {"fields", fields.size()},
                      {"components", componentCount(graph)},
                      {"products", heat.products},
                      {"seconds", clock.seconds()}};
  output.publish(facts);
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
  MPI_Init(&argc, &argv);
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
