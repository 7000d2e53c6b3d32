// Owns the division by root degrees; see coordinates.h.
#include "products/coordinates.h"

#include <algorithm>
#include <cmath>

#include "algebra/rows.h"

namespace ligase {

namespace {

/// Degrees under this part of the largest: v's rounding errors would show over 1e-11.
constexpr double weakDegree = 1e-10;
/// An entry of v above this is no rounding error, whatever the degree.
constexpr double signal = 1e-9;
/// 1 - lambda below this amplifies too much; such modes of weak nodes are left at 0.
constexpr double decayMin = 0.1;
/// Weak nodes in a row that this reaches through; each has a far smaller degree than the next.
constexpr int hops = 8;

/// sum d over the component, [parts]. Collective.
std::vector<double> volumes(MPI_Comm comm, const Graph& graph, const std::vector<int32_t>& part,
                            int64_t parts) {
  const int64_t chunks = (graph.range.size() + chunkSize - 1) / chunkSize;
  std::vector<double> partials((size_t)(chunks * parts), 0.0);
  for (size_t i = 0; i < part.size(); i++) {
    if (part[i] < 0) continue;
    partials[i / (size_t)chunkSize * (size_t)parts + (size_t)part[i]] += graph.degree[i];
  }
  return treeOfChunks(comm, partials, graph.count, parts);
}

/// The weak nodes' vectors from their neighbours' ones, hop by hop. Collective.
void mend(MPI_Comm comm, const Graph& graph, const Spectrum& spectrum,
          const std::vector<int32_t>& part, const std::vector<char>& weak,
          std::vector<double>& phi) {
  const int64_t modes = spectrum.modes;
  Rows weights(comm, graph);
  std::vector<double> moved(phi.size());
  for (int hop = 0; hop < hops; hop++) {
    weights.multiply(phi.data(), modes, moved.data());
    for (size_t i = 0; i < part.size(); i++) {
      if (part[i] < 0 || weak[i] == 0) continue;
      const std::vector<double>& values = spectrum.parts[(size_t)part[i]].values;
      for (size_t j = 0; j < values.size(); j++) {
        const size_t at = i * (size_t)modes + j;
        const double decay = 1 - values[j];
        if (decay < decayMin || std::abs(spectrum.vectors[at]) > signal) continue;
        phi[at] = moved[at] / graph.degree[i] / decay;
      }
    }
  }
}

}  // namespace

std::vector<int32_t> partOfNodes(const Graph& graph, const Spectrum& spectrum) {
  std::vector<int32_t> parts;
  for (int64_t node = graph.range.lo; node < graph.range.hi; node++) {
    const int32_t label = graph.component[(size_t)node];
    const auto at = std::lower_bound(
        spectrum.parts.begin(), spectrum.parts.end(), label,
        [](const PartSpectrum& part, int32_t value) { return part.part.component < value; });
    const bool found = at != spectrum.parts.end() && at->part.component == label;
    parts.push_back(found ? (int32_t)(at - spectrum.parts.begin()) : -1);
  }
  return parts;
}

std::vector<double> walkVectors(MPI_Comm comm, const Graph& graph, const Spectrum& spectrum) {
  if (spectrum.parts.empty()) return {};
  const std::vector<int32_t> part = partOfNodes(graph, spectrum);
  const int64_t modes = spectrum.modes;
  const std::vector<double> volume =
      volumes(comm, graph, part, (int64_t)spectrum.parts.size());
  double largest = 0;
  for (const double degree : graph.degree) largest = std::max(largest, degree);
  MPI_Allreduce(MPI_IN_PLACE, &largest, 1, MPI_DOUBLE, MPI_MAX, comm);
  std::vector<double> phi((size_t)(graph.range.size() * modes), 0.0);
  std::vector<char> weak(part.size(), 0);
  int any = 0;
  for (size_t i = 0; i < part.size(); i++) {
    if (part[i] < 0) continue;
    weak[i] = graph.degree[i] < weakDegree * largest ? 1 : 0;
    any |= weak[i];
    const double scale = std::sqrt(volume[(size_t)part[i]] / graph.degree[i]);
    for (int64_t j = 0; j < modes; j++) {
      const double entry = spectrum.vectors[i * (size_t)modes + (size_t)j];
      if (weak[i] == 0 || std::abs(entry) > signal) {
        phi[i * (size_t)modes + (size_t)j] = scale * entry;
      }
    }
  }
  MPI_Allreduce(MPI_IN_PLACE, &any, 1, MPI_INT, MPI_MAX, comm);
  if (any != 0) mend(comm, graph, spectrum, part, weak, phi);
  return phi;
}

std::vector<double> coordinatesAt(const Graph& graph, const Spectrum& spectrum,
                                  const std::vector<double>& phi, double time) {
  const std::vector<int32_t> part = partOfNodes(graph, spectrum);
  std::vector<double> at = phi;
  for (size_t i = 0; i < part.size(); i++) {
    if (part[i] < 0) continue;
    const std::vector<double>& values = spectrum.parts[(size_t)part[i]].values;
    for (size_t j = 0; j < values.size(); j++) {
      at[i * (size_t)spectrum.modes + j] *= std::exp(-time * values[j]);
    }
  }
  return at;
}

}  // namespace ligase
