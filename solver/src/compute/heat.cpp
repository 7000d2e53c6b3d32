// Owns the Chebyshev recurrence T_(k+1) = 2 P T_k - T_(k-1) on all fields at once; see heat.h.
#include "compute/heat.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "algebra/rows.h"
#include "common/gather.h"
#include "compute/chebyshev.h"

namespace ligase {

namespace {

constexpr double tolerance = 1e-10;

/// Root of largest over smallest positive degree. Collective.
double amplification(MPI_Comm comm, const Graph& graph) {
  double largest = 0;
  double smallest = std::numeric_limits<double>::infinity();
  for (const double degree : graph.degree) {
    largest = std::max(largest, degree);
    if (degree > 0) smallest = std::min(smallest, degree);
  }
  MPI_Allreduce(MPI_IN_PLACE, &largest, 1, MPI_DOUBLE, MPI_MAX, comm);
  MPI_Allreduce(MPI_IN_PLACE, &smallest, 1, MPI_DOUBLE, MPI_MIN, comm);
  return largest > 0 ? std::sqrt(largest) / std::sqrt(smallest) : 1;
}

/// P x on the owned nodes, from all that x has there.
std::vector<double> propagate(const Graph& graph, Rows& weights, const std::vector<double>& x,
                              int64_t fields) {
  std::vector<double> y(x.size());
  weights.multiply(x.data(), fields, y.data());
  for (int64_t i = 0; i < graph.range.size(); i++) {
    double* out = y.data() + i * fields;
    const double degree = graph.degree[(size_t)i];
    if (degree == 0) {
      std::copy_n(x.data() + i * fields, fields, out);
      continue;
    }
    for (int64_t f = 0; f < fields; f++) out[f] /= degree;
  }
  return y;
}

std::vector<double> masses(MPI_Comm comm, const Graph& graph, const std::vector<double>& own,
                           int64_t fields) {
  std::vector<double> weighted(own.size());
  for (size_t at = 0; at < own.size(); at++) {
    weighted[at] = graph.degree[at / (size_t)fields] * own[at];
  }
  std::vector<double> sums = treeSum(comm, weighted, graph.count, fields);
  const double total = treeSum(comm, graph.degree, graph.count, 1)[0];
  for (double& sum : sums) sum = total > 0 ? sum / total : 0;
  return sums;
}

/// Half of what both ends of every edge see: no difference of large sums, so never below 0.
std::vector<double> energies(MPI_Comm comm, const Graph& graph, Rows& weights,
                             const std::vector<double>& own, int64_t fields) {
  const double* all = weights.fetch(own.data(), fields);
  std::vector<double> terms(own.size(), 0.0);
  weights.each([&](int64_t i, int32_t column, double weight) {
    for (int64_t f = 0; f < fields; f++) {
      const double step = own[(size_t)(i * fields + f)] - all[column * fields + f];
      terms[(size_t)(i * fields + f)] += weight * step * step;
    }
  });
  std::vector<double> sums = treeSum(comm, terms, graph.count, fields);
  const double total = treeSum(comm, graph.degree, graph.count, 1)[0];
  for (double& sum : sums) sum = total > 0 ? sum / 2 / total : 0;
  return sums;
}

void addScaled(std::vector<double>& sum, double factor, const std::vector<double>& term) {
  for (size_t at = 0; at < sum.size(); at++) sum[at] += factor * term[at];
}

}  // namespace

Heat diffuse(MPI_Comm comm, const Graph& graph, std::vector<double> start, int64_t fields,
             const std::vector<double>& times) {
  const double growth = amplification(comm, graph);
  Heat heat;
  std::vector<std::vector<double>> coefficients;
  size_t terms = 0;
  for (const double t : times) {
    Expansion expansion = chebyshevExpansion(t, growth, tolerance);
    heat.errors.push_back(expansion.error);
    terms = std::max(terms, expansion.coefficients.size());
    coefficients.push_back(std::move(expansion.coefficients));
  }
  heat.products = (int64_t)terms - 1;
  Rows weights(comm, graph);
  std::vector<double> current = std::move(start);
  std::vector<double> previous;
  heat.values.assign(times.size(), std::vector<double>(current.size(), 0.0));
  for (size_t k = 0; k < terms; k++) {
    if (k > 0) {
      std::vector<double> next = propagate(graph, weights, current, fields);
      for (size_t at = 0; k > 1 && at < next.size(); at++) next[at] = 2 * next[at] - previous[at];
      previous = std::move(current);
      current = std::move(next);
    }
    for (size_t t = 0; t < times.size(); t++) {
      if (k < coefficients[t].size()) addScaled(heat.values[t], coefficients[t][k], current);
    }
  }
  for (const auto& own : heat.values) {
    const std::vector<double> mass = masses(comm, graph, own, fields);
    const std::vector<double> energy = energies(comm, graph, weights, own, fields);
    heat.mass.insert(heat.mass.end(), mass.begin(), mass.end());
    heat.energy.insert(heat.energy.end(), energy.begin(), energy.end());
  }
  return heat;
}

}  // namespace ligase
