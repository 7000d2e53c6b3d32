// Owns the spectra that are known: eigenvalues, residuals, orthogonality, and that a part's vectors
// end at its border.
#include <algorithm>
#include <numbers>

#include "algebra/rows.h"
#include "report.h"
#include "spectrum/spectrum.h"

namespace ligase::tests {

namespace {

using std::numbers::pi;

constexpr int64_t modes = 16;
constexpr double eigenvalueTolerance = 1e-12;
constexpr double orthogonalityTolerance = 1e-10;

/// The first 16 behind the 0, of all eigenvalues in any order.
std::vector<double> leading(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  values.resize(std::min<size_t>(values.size(), modes + 1));
  values.erase(values.begin());
  return values;
}

std::vector<double> cycleValues(int64_t count) {
  std::vector<double> values;
  for (int64_t k = 0; k < count; k++) {
    values.push_back(1 - std::cos(2 * pi * (double)k / (double)count));
  }
  return values;
}

std::vector<double> pathValues(int64_t count) {
  std::vector<double> values;
  for (int64_t k = 0; k < count; k++) {
    values.push_back(1 - std::cos(pi * (double)k / (double)(count - 1)));
  }
  return values;
}

std::vector<double> completeValues(int64_t count) {
  std::vector<double> values((size_t)count, (double)count / (double)(count - 1));
  values[0] = 0;
  return values;
}

std::vector<double> starValues(int64_t count) {
  std::vector<double> values((size_t)count, 1.0);
  values[0] = 0;
  values[1] = 2;
  return values;
}

std::vector<double> hypercubeValues(int bits) {
  std::vector<double> values;
  for (int64_t node = 0; node < int64_t{1} << bits; node++) {
    values.push_back(2.0 * __builtin_popcountll((uint64_t)node) / bits);
  }
  return values;
}

std::vector<double> torusValues(int64_t height, int64_t width) {
  std::vector<double> values;
  for (const double a : cycleValues(height)) {
    for (const double b : cycleValues(width)) values.push_back((a + b) / 2);
  }
  return values;
}

/// Its vectors are alike on both cliques or opposite, and constant but for the bridge's nodes; the
/// others sum to 0 over a clique without its bridge node.
std::vector<double> twoCliquesValues(int64_t size) {
  const auto s = (double)size;
  std::vector<double> values((size_t)(2 * (size - 2)), s / (s - 1));
  for (const double sign : {1.0, -1.0}) {
    // Of ((s - 2) a + b) / (s - 1), ((s - 1) a + sign b) / s.
    const double trace = (s - 2) / (s - 1) + sign / s;
    const double determinant = (s - 2) / (s - 1) * sign / s - 1 / s;
    const double root = std::sqrt(trace * trace / 4 - determinant);
    values.push_back(1 - (trace / 2 + root));
    values.push_back(1 - (trace / 2 - root));
  }
  return values;
}

/// Largest entry of V^T V - 1, the null vector among V, over the nodes of one part.
double skew(const Graph& graph, const std::vector<double>& degree, const Spectrum& found,
            const std::vector<double>& vectors, const PartSpectrum& part) {
  const auto count = (int64_t)part.values.size();
  double largest = 0;
  for (int64_t a = -1; a < count; a++) {
    for (int64_t b = -1; b <= a; b++) {
      double sum = 0;
      double volume = 0;
      for (int64_t i = 0; i < graph.count; i++) {
        const bool inside = graph.component[(size_t)i] == part.part.component;
        if (inside) volume += degree[(size_t)i];
        const double root = inside ? std::sqrt(degree[(size_t)i]) : 0;
        const double x = a < 0 ? root : vectors[(size_t)(i * found.modes + a)];
        const double y = b < 0 ? root : vectors[(size_t)(i * found.modes + b)];
        if (inside) sum += x * y;
      }
      if (b < 0) sum /= a < 0 ? volume : std::sqrt(volume);
      largest = std::max(largest, std::abs(sum - (a == b ? 1 : 0)));
    }
  }
  return largest;
}

/// @param denseMax - 0: Lanczos, wherever the graph has room for its vectors.
void check(Report& report, const std::string& name, const Edges& edges,
           const std::vector<double>& expected, int64_t denseMax, size_t parts = 1) {
  const Graph graph = report.graph(edges);
  SpectrumOptions options;
  options.denseMax = denseMax;
  const Spectrum found = findSpectrum(report.comm, graph, options);
  const std::vector<double> vectors = report.gather(found.vectors, graph.count, found.modes);
  const std::vector<double> degree = report.gather(graph.degree, graph.count, 1);
  double error = found.parts.size() == parts ? 0 : 1;
  double residual = 0;
  double orthogonality = 0;
  std::vector<double> result = vectors;
  for (const PartSpectrum& part : found.parts) {
    std::vector<double> values = part.values;
    std::sort(values.begin(), values.end());
    error = std::max(error, difference(values, leading(expected)));
    for (const double one : part.residuals) residual = std::max(residual, one);
    orthogonality = std::max(orthogonality, skew(graph, degree, found, vectors, part));
    result.insert(result.end(), part.values.begin(), part.values.end());
    result.insert(result.end(), part.residuals.begin(), part.residuals.end());
  }
  report.add("eigenvalues of " + name, error, eigenvalueTolerance, result);
  report.add("residuals of " + name, residual, residualMax, result);
  report.add("orthogonality of " + name, orthogonality, orthogonalityTolerance, result);
}

}  // namespace

void spectrumCases(Report& report) {
  constexpr int64_t dense = 400;
  check(report, "a cycle", cycle(700), cycleValues(700), 0);
  check(report, "a short cycle", cycle(60), cycleValues(60), dense);
  check(report, "a path", path(500), pathValues(500), 0);
  check(report, "a short path", path(17), pathValues(17), dense);
  check(report, "a complete graph", complete(300), completeValues(300), 0);
  check(report, "a small complete graph", complete(40), completeValues(40), dense);
  check(report, "a star", star(900), starValues(900), 0);
  check(report, "a small star", star(30), starValues(30), dense);
  check(report, "a hypercube", hypercube(10), hypercubeValues(10), 0);
  check(report, "a hypercube of two chunks", hypercube(13), hypercubeValues(13), 0);
  check(report, "a grid", torus(90, 100), torusValues(90, 100), 0);
  check(report, "two cliques and a bridge", twoCliques(150), twoCliquesValues(150), 0);
  check(report, "five cycles", disjoint(cycle(300), 5), cycleValues(300), 0, 5);
  check(report, "thirty hypercubes", disjoint(hypercube(8), 30), hypercubeValues(8), 0, 30);
}

}  // namespace ligase::tests
