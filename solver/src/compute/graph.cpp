// Owns widths, weights, rows and components of the graph; see graph.h.
#include "compute/graph.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>
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

/// w_ij of own neighbours. Each is computed by one rank only, so that both ends of an edge hold the
/// same bits even if ranks had different libraries.
std::vector<Edge> directedEdges(const Neighbors& neighbors, const std::vector<double>& sigma) {
  std::vector<Edge> edges;
  edges.reserve(neighbors.ids.size());
  for (size_t e = 0; e < neighbors.ids.size(); e++) {
    const auto from = (int32_t)(neighbors.range.lo + (int64_t)e / neighbors.k);
    const int32_t to = neighbors.ids[e];
    const double distance = neighbors.distances[e];
    const double exponent = distance * distance / (sigma[(size_t)from] * sigma[(size_t)to]);
    if (exponent <= exponentMax) edges.push_back({from, to, std::exp(-exponent)});
  }
  return edges;
}

/// Calls `visit(row, column, weight)` for both directions of every edge.
template <class Visit>
void eachDirection(const std::vector<Edge>& edges, Visit visit) {
  for (const Edge& edge : edges) {
    visit(edge.from, edge.to, edge.weight);
    visit(edge.to, edge.from, edge.weight);
  }
}

/// Both directions of everyone's edges, each at the owner of its row, in any order. Collective.
std::vector<Edge> sendToRows(MPI_Comm comm, const std::vector<Edge>& edges, const Layout& owned) {
  const auto ranks = owned.counts.size();
  const auto ownerOf = [&](int32_t node) {
    const auto after = std::upper_bound(owned.offsets.begin(), owned.offsets.end(), node);
    return (size_t)(after - owned.offsets.begin() - 1);
  };
  std::vector<int> sending(ranks, 0);
  std::vector<int> receiving(ranks, 0);
  eachDirection(edges, [&](int32_t row, int32_t, double) { sending[ownerOf(row)]++; });
  MPI_Alltoall(sending.data(), 1, MPI_INT, receiving.data(), 1, MPI_INT, comm);
  const auto offsetsOf = [](const std::vector<int>& counts) {
    std::vector<int> offsets(counts.size() + 1, 0);
    std::partial_sum(counts.begin(), counts.end(), offsets.begin() + 1);
    return offsets;
  };
  const std::vector<int> from = offsetsOf(sending);
  const std::vector<int> to = offsetsOf(receiving);
  std::vector<Edge> sent((size_t)from.back());
  std::vector<Edge> received((size_t)to.back());
  std::vector<int> next = from;
  eachDirection(edges, [&](int32_t row, int32_t column, double weight) {
    sent[(size_t)next[ownerOf(row)]++] = {row, column, weight};
  });
  MPI_Datatype type = MPI_DATATYPE_NULL;
  MPI_Type_contiguous((int)sizeof(Edge), MPI_BYTE, &type);
  MPI_Type_commit(&type);
  MPI_Alltoallv(sent.data(), sending.data(), from.data(), type, received.data(), receiving.data(),
                to.data(), type, comm);
  MPI_Type_free(&type);
  return received;
}

/// Rows of the nodes in graph.range, columns ascending, the larger weight where two meet.
void fillRows(Graph& graph, std::vector<Edge> entries) {
  std::sort(entries.begin(), entries.end(), [](const Edge& a, const Edge& b) {
    return std::tie(a.from, a.to, a.weight) < std::tie(b.from, b.to, b.weight);
  });
  graph.degree.assign((size_t)graph.range.size(), 0.0);
  graph.offsets.assign((size_t)graph.range.size() + 1, 0);
  for (size_t e = 0; e < entries.size(); e++) {
    const Edge& entry = entries[e];
    const bool last = e + 1 == entries.size() || entries[e + 1].from != entry.from ||
                      entries[e + 1].to != entry.to;
    // The last of equal places has the larger weight.
    if (!last) continue;
    const auto row = (size_t)(entry.from - graph.range.lo);
    graph.columns.push_back(entry.to);
    graph.weights.push_back(entry.weight);
    graph.degree[row] += entry.weight;
    graph.offsets[row + 1]++;
  }
  std::partial_sum(graph.offsets.begin(), graph.offsets.end(), graph.offsets.begin());
}

/// Sets of nodes, each named by its smallest: parent[i] <= i.
class Sets {
 public:
  explicit Sets(int64_t count) : parent((size_t)count) {
    std::iota(parent.begin(), parent.end(), 0);
  }

  void join(int32_t a, int32_t b) {
    a = root(a);
    b = root(b);
    parent[(size_t)std::max(a, b)] = std::min(a, b);
  }

  int32_t root(int32_t node) {
    while (parent[(size_t)node] != node) {
      parent[(size_t)node] = parent[(size_t)parent[(size_t)node]];
      node = parent[(size_t)node];
    }
    return node;
  }

  std::vector<int32_t> parent;
};

/// Smallest node of each node's component, of all nodes, on every rank: each rank joins its own
/// rows, then pairs of ranks join their sets. Collective.
std::vector<int32_t> components(MPI_Comm comm, const Graph& graph) {
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  Sets sets(graph.count);
  for (int64_t i = 0; i < graph.range.size(); i++) {
    for (int64_t e = graph.offsets[(size_t)i]; e < graph.offsets[(size_t)i + 1]; e++) {
      sets.join((int32_t)(graph.range.lo + i), graph.columns[(size_t)e]);
    }
  }
  const auto count = (int)graph.count;
  std::vector<int32_t> others((size_t)graph.count);
  for (int step = 1; step < ranks; step *= 2) {
    if (rank % (2 * step) == step) {
      MPI_Send(sets.parent.data(), count, MPI_INT32_T, rank - step, 0, comm);
    } else if (rank % (2 * step) == 0 && rank + step < ranks) {
      MPI_Recv(others.data(), count, MPI_INT32_T, rank + step, 0, comm, MPI_STATUS_IGNORE);
      for (int32_t i = 0; i < count; i++) sets.join(i, others[(size_t)i]);
    }
  }
  for (int32_t i = 0; rank == 0 && i < count; i++) sets.parent[(size_t)i] = sets.root(i);
  MPI_Bcast(sets.parent.data(), count, MPI_INT32_T, 0, comm);
  return std::move(sets.parent);
}

}  // namespace

Graph assembleGraph(MPI_Comm comm, int64_t count, const std::vector<Edge>& edges) {
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  const Layout owned(ranks, [&](int r) { return ownedRange(count, r, ranks); });
  Graph graph;
  graph.count = count;
  graph.range = ownedRange(count, rank, ranks);
  fillRows(graph, sendToRows(comm, edges, owned));
  graph.component = components(comm, graph);
  return graph;
}

Graph buildGraph(MPI_Comm comm, const Neighbors& neighbors, int64_t count) {
  int ranks = 1;
  MPI_Comm_size(comm, &ranks);
  const Layout layout(ranks, [&](int r) { return searchRange(count, r, ranks); });
  const std::vector<double> sigma = widths(comm, neighbors, layout);
  return assembleGraph(comm, count, directedEdges(neighbors, sigma));
}

}  // namespace ligase
