// Owns widths, weights, rows and components of the graph; see graph.h.
#include "compute/graph.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "common/gather.h"

namespace ligase {

namespace {

constexpr int64_t sigmaNeighbor = 7;
constexpr double sigmaFloor = 1e-6;
/// exp(-700) is a normal number with room below; a smaller weight would lose its digits.
constexpr double exponentMax = 700;

/// Median of the positive values, the mean of the two in the middle of an even number; 0 if none.
double positiveMedian(std::vector<double> values) {
  std::erase_if(values, [](double value) { return !(value > 0); });
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  if (values.size() % 2 == 1) return values[middle];
  return (values[middle - 1] + values[middle]) / 2;
}

/// sigma of all nodes. Collective.
std::vector<double> widths(MPI_Comm comm, const Neighbors& neighbors, const Layout& layout) {
  const int64_t k = neighbors.k;
  std::vector<double> own;
  for (int64_t i = 0; i < neighbors.range.size(); i++) {
    own.push_back(neighbors.distances[(size_t)(i * k + std::min(sigmaNeighbor, k) - 1)]);
  }
  std::vector<double> sigma = gatherAll(comm, own, layout, 1);
  const double median = positiveMedian(sigma);
  // Nothing positive: all distances in use are 0, and any width gives them weight 1.
  const double floor = median > 0 ? sigmaFloor * median : 1;
  for (double& width : sigma) width = std::max(width, floor);
  return sigma;
}

/// w_ij of own neighbours, 0 where there is no edge. Each is computed by one rank only, so that
/// both ends of an edge hold the same bits even if ranks had different libraries.
std::vector<double> directedWeights(const Neighbors& neighbors, const std::vector<double>& sigma) {
  std::vector<double> weights;
  weights.reserve(neighbors.ids.size());
  for (size_t e = 0; e < neighbors.ids.size(); e++) {
    const auto i = (size_t)(neighbors.range.lo + (int64_t)e / neighbors.k);
    const double distance = neighbors.distances[e];
    const double exponent = distance * distance / (sigma[i] * sigma[(size_t)neighbors.ids[e]]);
    weights.push_back(exponent > exponentMax ? 0 : std::exp(-exponent));
  }
  return weights;
}

/// All directed edges: node i's are entries [i k, (i + 1) k).
struct Edges {
  int64_t k;
  std::vector<int32_t> to;
  std::vector<double> weight;
};

/// Calls `visit(from, to, weight)` for both directions of every edge.
template <class Visit>
void eachDirection(const Edges& edges, Visit visit) {
  for (size_t e = 0; e < edges.to.size(); e++) {
    if (edges.weight[e] == 0) continue;
    const auto from = (int32_t)((int64_t)e / edges.k);
    visit(from, edges.to[e], edges.weight[e]);
    visit(edges.to[e], from, edges.weight[e]);
  }
}

/// Rows of the nodes in graph.range, columns ascending, the larger weight where two meet.
void fillRows(Graph& graph, const Edges& edges) {
  const auto [lo, hi] = graph.range;
  std::vector<std::vector<std::pair<int32_t, double>>> rows((size_t)(hi - lo));
  eachDirection(edges, [&, lo = lo, hi = hi](int32_t from, int32_t to, double weight) {
    if (from >= lo && from < hi) rows[(size_t)(from - lo)].emplace_back(to, weight);
  });
  graph.offsets = {0};
  for (auto& row : rows) {
    std::sort(row.begin(), row.end());
    double degree = 0;
    for (size_t e = 0; e < row.size(); e++) {
      // Sorted by (column, weight): the last of equal columns has the larger weight.
      if (e + 1 < row.size() && row[e + 1].first == row[e].first) continue;
      graph.columns.push_back(row[e].first);
      graph.weights.push_back(row[e].second);
      degree += row[e].second;
    }
    graph.offsets.push_back((int64_t)graph.columns.size());
    graph.degree.push_back(degree);
    row = {};
  }
}

/// Smallest node of each node's component; every rank finds all of them.
std::vector<int32_t> components(int64_t count, const Edges& edges) {
  std::vector<int32_t> parent((size_t)count);
  std::iota(parent.begin(), parent.end(), 0);
  const auto root = [&](int32_t node) {
    while (parent[(size_t)node] != node) {
      parent[(size_t)node] = parent[(size_t)parent[(size_t)node]];
      node = parent[(size_t)node];
    }
    return node;
  };
  eachDirection(edges, [&](int32_t from, int32_t to, double) {
    const int32_t a = root(from);
    const int32_t b = root(to);
    parent[(size_t)std::max(a, b)] = std::min(a, b);
  });
  for (int64_t i = 0; i < count; i++) parent[(size_t)i] = root((int32_t)i);
  return parent;
}

}  // namespace

Graph buildGraph(MPI_Comm comm, const Neighbors& neighbors, int64_t count) {
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  const Layout layout(ranks, [&](int r) { return searchRange(count, r, ranks); });
  const std::vector<double> sigma = widths(comm, neighbors, layout);
  const Edges edges{neighbors.k, gatherAll(comm, neighbors.ids, layout, neighbors.k),
                    gatherAll(comm, directedWeights(neighbors, sigma), layout, neighbors.k)};
  Graph graph;
  graph.count = count;
  graph.range = ownedRange(count, rank, ranks);
  fillRows(graph, edges);
  graph.component = components(count, edges);
  return graph;
}

}  // namespace ligase
