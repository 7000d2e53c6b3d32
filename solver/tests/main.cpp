// Runs the closed-form cases on the ranks it was given, or times the spectrum of a graph in a file:
//   mpirun -n R solver_tests                    a JSON line for each case; exit 1 when one fails
//   solver_tests --load FILE                    seconds and bytes of six loads of a Parquet file
//   mpirun -n R solver_tests --spectrum FILE    { int64 nodes, edges; { int32, int32, double }... }
#include <mpi.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "algebra/dense.h"
#include "common/errors.h"
#include "common/pages.h"
#include "input/shard.h"
#include "report.h"
#include "spectrum/spectrum.h"

namespace ligase::tests {

namespace {

Edges readEdges(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  int64_t sizes[2] = {0, 0};
  file.read((char*)sizes, sizeof sizes);
  if (!file) throw SolverError(Exit::noInput, "no graph", {{"uri", path}});
  Edges edges{sizes[0], std::vector<Edge>((size_t)sizes[1])};
  file.read((char*)edges.edges.data(), (std::streamsize)(edges.edges.size() * sizeof(Edge)));
  if (!file) throw SolverError(Exit::badData, "the graph is cut", {{"uri", path}});
  return edges;
}

void timeSpectrum(Report& report, const std::string& path) {
  const Graph graph = report.graph(readEdges(path));
  MPI_Barrier(report.comm);
  const double start = MPI_Wtime();
  const Spectrum found = findSpectrum(report.comm, graph, {});
  const double seconds = MPI_Wtime() - start;
  double residual = 0;
  for (const PartSpectrum& part : found.parts) {
    for (const double one : part.residuals) residual = std::max(residual, one);
  }
  if (report.rank != 0) return;
  std::printf("{\"seconds\":%.3f,\"products\":%lld,\"residual\":%.1e,\"parts\":%zu}\n", seconds,
              (long long)found.products, residual, found.parts.size());
}

/// What one rank takes to load a file, into fresh memory each time.
void timeLoad(const std::string& path) {
  const Manifest manifest = describeFile(path);
  const Shard& shard = manifest.shards.front();
  const auto values = (size_t)(manifest.rows * manifest.dimensions);
  for (int run = 0; run < 6; run++) {
    const double start = MPI_Wtime();
    FloatPages rows;
    rows.resize(values);
    readRows(path, shard, manifest.dimensions, {0, manifest.rows}, rows.data());
    const double seconds = MPI_Wtime() - start;
    std::printf("{\"seconds\":%.4f,\"bytes\":%zu}\n", seconds, values * sizeof(float));
  }
}

int run(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  useOneBlasThread();
  Report report(MPI_COMM_WORLD);
  try {
    if (argc == 3 && std::string(argv[1]) == "--spectrum") {
      timeSpectrum(report, argv[2]);
    } else if (argc == 3 && std::string(argv[1]) == "--load") {
      timeLoad(argv[2]);
    } else {
      spectrumCases(report);
      heatCases(report);
      productCases(report);
      levelCases(report);
    }
  } catch (...) {
    abortAll(currentError());
  }
  MPI_Finalize();
  return report.failed() ? 1 : 0;
}

}  // namespace
}  // namespace ligase::tests

int main(int argc, char** argv) { return ligase::tests::run(argc, argv); }
