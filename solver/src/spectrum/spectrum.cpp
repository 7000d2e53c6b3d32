// Owns the way from parts to modes; see spectrum.h.
#include "spectrum/spectrum.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "algebra/dense.h"
#include "common/errors.h"
#include "spectrum/pivots.h"

namespace ligase {

namespace {

/// Eigenvalues this close are one multiple eigenvalue.
constexpr double equalValues = 1e-8;
/// Where a dense matrix's null vector is put: behind every other eigenvalue, which are <= 2.
constexpr double aside = 3;

struct Modes {
  std::vector<double> values;
  std::vector<double> residuals;
  int64_t products = 0;
};

/// All of a small part's eigenvectors, by the one rank that owns all of its nodes. Columns
/// [1, 1 + wanted) of `basis` get the vectors. Not collective.
std::vector<double> solveDense(const Graph& graph, const Rows& matrix, Basis& basis,
                               int64_t wanted) {
  const int64_t n = graph.count;
  const double total = std::accumulate(graph.degree.begin(), graph.degree.end(), 0.0);
  std::vector<double> dense((size_t)(n * n), 0.0);
  for (int64_t i = 0; i < n; i++) {
    const double own = graph.degree[(size_t)i] / total;
    for (int64_t j = 0; j < n; j++) {
      dense[(size_t)(i * n + j)] = aside * std::sqrt(own * (graph.degree[(size_t)j] / total));
    }
    dense[(size_t)(i * n + i)] += 1;
  }
  matrix.each([&](int64_t row, int32_t column, double weight) {
    dense[(size_t)(row * n + column)] -= weight;
  });
  Eigenpairs pairs = symmetricEigen(dense, n);
  for (int64_t j = 0; j < wanted; j++) basis.write(1 + j, 1, pairs.vectors.data() + j * n);
  pairs.values.resize((size_t)wanted);
  return pairs.values;
}

/// Rotates each multiple eigenvalue's vectors, and fixes the signs of the others. Collective.
void fixVectors(MPI_Comm comm, Basis& basis, const std::vector<double>& values) {
  const auto count = (int64_t)values.size();
  for (int64_t first = 0; first < count;) {
    int64_t end = first + 1;
    while (end < count && values[(size_t)end] - values[(size_t)first] < equalValues) end++;
    rotateToPivots(comm, basis, 1 + first, end - first);
    first = end;
  }
}

/// Rayleigh quotients and residuals of columns [1, 1 + count), in vectors as they stand.
/// Collective.
Modes measure(MPI_Comm comm, const Graph& graph, Rows& matrix, Basis& basis, int64_t count) {
  const auto size = (size_t)(graph.range.size() * count);
  std::vector<double> x(size);
  std::vector<double> y(size);
  basis.read(1, count, x.data());
  matrix.multiply(x.data(), count, y.data());
  std::vector<double> terms(size);
  for (size_t i = 0; i < size; i++) {
    y[i] = x[i] - y[i];
    terms[i] = x[i] * y[i];
  }
  Modes modes;
  modes.values = treeSum(comm, terms, graph.count, count);
  for (double& value : modes.values) value = std::max(value, 0.0);
  for (size_t i = 0; i < size; i++) {
    const double rest = y[i] - modes.values[i % (size_t)count] * x[i];
    terms[i] = rest * rest;
  }
  modes.residuals = treeSum(comm, terms, graph.count, count);
  for (double& residual : modes.residuals) residual = std::sqrt(residual);
  return modes;
}

/// Modes of one connected graph and their vectors on the owned nodes, [owned nodes, wanted].
/// Collective over `comm`, which a part of one chunk has to itself.
Modes solveGraph(MPI_Comm comm, const Graph& graph, int64_t wanted,
                 const SpectrumOptions& options, std::vector<double>& vectors) {
  const LanczosSizes& sizes = options.sizes;
  const int64_t columns = 1 + 2 * wanted + sizes.active + sizes.block;
  vectors.resize((size_t)(graph.range.size() * wanted));
  if (graph.count <= std::max(options.denseMax, 2 * columns) && graph.count <= chunkSize) {
    Rows matrix = Rows::symmetric(comm, graph);
    Basis basis(comm, graph.count, 1 + wanted);
    fixVectors(comm, basis, solveDense(graph, matrix, basis, wanted));
    basis.read(1, wanted, vectors.data());
    return measure(comm, graph, matrix, basis, wanted);
  }
  Lanczos lanczos(comm, graph, wanted, options.seed, sizes);
  lanczos.solve();
  std::vector<double> values;
  for (const double value : lanczos.values()) values.push_back(2 - value);
  fixVectors(comm, lanczos.basis(), values);
  lanczos.basis().read(1, wanted, vectors.data());
  Modes modes = measure(comm, graph, lanczos.matrix(), lanczos.basis(), wanted);
  modes.products = lanczos.products();
  return modes;
}

/// As solveGraph, by the rank that owns a part of one chunk; the others wait for its word.
/// Collective.
Modes solveAlone(MPI_Comm comm, const Graph& graph, int64_t wanted,
                 const SpectrumOptions& options, std::vector<double>& vectors) {
  int ranks = 1;
  MPI_Comm_size(comm, &ranks);
  int owner = 0;
  while (ownedRange(graph.count, owner, ranks).size() == 0) owner++;
  Modes modes;
  collectively(comm, [&] {
    if (graph.range.size() == 0) return;
    modes = solveGraph(MPI_COMM_SELF, graph, wanted, options, vectors);
  });
  modes.values.resize((size_t)wanted);
  modes.residuals.resize((size_t)wanted);
  MPI_Bcast(modes.values.data(), (int)wanted, MPI_DOUBLE, owner, comm);
  MPI_Bcast(modes.residuals.data(), (int)wanted, MPI_DOUBLE, owner, comm);
  MPI_Bcast(&modes.products, 1, MPI_INT64_T, owner, comm);
  return modes;
}

/// The modes of one part; its vectors go into `spectrum`. Collective.
void solvePart(MPI_Comm comm, const Graph& graph, const Part& part, const SpectrumOptions& options,
               Spectrum& spectrum) {
  const int64_t wanted = std::min(options.modes, part.nodes - 1);
  const PartGraph own(comm, graph, part);
  std::vector<double> vectors;
  Modes modes;
  if (part.nodes <= chunkSize) {
    modes = solveAlone(comm, own.graph(), wanted, options, vectors);
  } else {
    modes = solveGraph(comm, own.graph(), wanted, options, vectors);
  }
  own.scatter(vectors, wanted, spectrum.vectors, spectrum.modes);
  spectrum.products += modes.products;
  spectrum.parts.push_back({part, modes.values, modes.residuals});
}

}  // namespace

Spectrum findSpectrum(MPI_Comm comm, const Graph& graph, const SpectrumOptions& options) {
  Spectrum spectrum;
  if (options.modes == 0) return spectrum;
  const std::vector<Part> parts = largeComponents(graph.component);
  for (const Part& part : parts) {
    spectrum.modes = std::max(spectrum.modes, std::min(options.modes, part.nodes - 1));
  }
  spectrum.vectors.assign((size_t)(graph.range.size() * spectrum.modes), 0.0);
  for (const Part& part : parts) solvePart(comm, graph, part, options, spectrum);
  return spectrum;
}

}  // namespace ligase
