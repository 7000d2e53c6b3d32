// Owns the Chebyshev recurrence T_(k+1) = 2 P T_k - T_(k-1) on all fields at once; see heat.h.
#include "compute/heat.h"

#include <algorithm>
#include <cmath>
#include <limits>

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

/// P x on the owned nodes: one accumulator per node and field, in the order of the columns.
std::vector<double> product(const Graph& graph, const std::vector<double>& x, int64_t fields) {
  std::vector<double> y((size_t)(graph.range.size() * fields), 0.0);
  for (int64_t i = 0; i < graph.range.size(); i++) {
    double* out = y.data() + i * fields;
    const double degree = graph.degree[(size_t)i];
    if (degree == 0) {
      std::copy_n(x.data() + (graph.range.lo + i) * fields, fields, out);
      continue;
    }
    for (int64_t e = graph.offsets[(size_t)i]; e < graph.offsets[(size_t)i + 1]; e++) {
      const double* from = x.data() + graph.columns[(size_t)e] * fields;
      for (int64_t f = 0; f < fields; f++) out[f] += graph.weights[(size_t)e] * from[f];
    }
    for (int64_t f = 0; f < fields; f++) out[f] /= degree;
  }
  return y;
}

/// The part of a vector over all nodes that this rank owns.
std::vector<double> ownPart(const Graph& graph, const std::vector<double>& all, int64_t fields) {
  return {all.begin() + graph.range.lo * fields, all.begin() + graph.range.hi * fields};
}

std::vector<double> masses(MPI_Comm comm, const Graph& graph, const std::vector<double>& own,
                           int64_t fields) {
  std::vector<double> weighted(own.size());
  for (size_t at = 0; at < own.size(); at++) {
    weighted[at] = graph.degree[at / (size_t)fields] * own[at];
  }
  std::vector<double> sums = treeSum(comm, weighted, graph.count, fields);
  const double total = treeSum(comm, graph.degree, graph.count, 1)[0];
  for (double& sum : sums) sum /= total;
  return sums;
}

void addScaled(std::vector<double>& sum, double factor, const std::vector<double>& term) {
  for (size_t at = 0; at < sum.size(); at++) sum[at] += factor * term[at];
}

}  // namespace

Heat diffuse(MPI_Comm comm, const Graph& graph, const std::vector<int32_t>& sources,
             const std::vector<double>& times) {
  int ranks = 1;
  MPI_Comm_size(comm, &ranks);
  const Layout layout(ranks, [&](int r) { return ownedRange(graph.count, r, ranks); });
  const auto fields = (int64_t)sources.size();
  const double growth = amplification(comm, graph);
  std::vector<std::vector<double>> coefficients;
  size_t terms = 0;
  for (const double t : times) {
    coefficients.push_back(chebyshevCoefficients(t, growth, tolerance));
    terms = std::max(terms, coefficients.back().size());
  }

  std::vector<double> all((size_t)(graph.count * fields), 0.0);
  for (int64_t f = 0; f < fields; f++) all[(size_t)(sources[(size_t)f] * fields + f)] = 1;
  std::vector<double> current = ownPart(graph, all, fields);
  std::vector<double> previous;
  std::vector<std::vector<double>> sums(times.size(), std::vector<double>(current.size(), 0.0));
  for (size_t k = 0; k < terms; k++) {
    if (k > 0) {
      all = gatherAll(comm, current, layout, fields);
      std::vector<double> next = product(graph, all, fields);
      for (size_t at = 0; k > 1 && at < next.size(); at++) next[at] = 2 * next[at] - previous[at];
      previous = std::move(current);
      current = std::move(next);
    }
    for (size_t t = 0; t < times.size(); t++) {
      if (k < coefficients[t].size()) addScaled(sums[t], coefficients[t][k], current);
    }
  }

  Heat heat;
  heat.products = (int64_t)terms - 1;
  for (const auto& own : sums) {
    const std::vector<double> mass = masses(comm, graph, own, fields);
    heat.mass.insert(heat.mass.end(), mass.begin(), mass.end());
    heat.values.push_back(gatherAll(comm, own, layout, fields));
  }
  return heat;
}

}  // namespace ligase
