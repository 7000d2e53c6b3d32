// Owns what is known of coordinates, clusters and outlier scores.
#include <algorithm>
#include <set>

#include "products/clusters.h"
#include "products/coordinates.h"
#include "products/outliers.h"
#include "report.h"

namespace ligase::tests {

namespace {

struct Grouped {
  Graph graph;
  Spectrum spectrum;
  std::vector<double> walk;
  Clusters clusters;
};

Grouped group(Report& report, const Edges& edges, int64_t wanted) {
  Grouped found{report.graph(edges), {}, {}, {}};
  found.spectrum = findSpectrum(report.comm, found.graph, {.denseMax = 0});
  found.walk = walkVectors(report.comm, found.graph, found.spectrum);
  found.clusters =
      findClusters(report.comm, found.graph, found.spectrum, found.walk, wanted, 1, 0);
  return found;
}

std::vector<double> asNumbers(const std::vector<int32_t>& values) {
  return {values.begin(), values.end()};
}

/// A cycle's first two coordinates are a circle: cosine and sine, whatever their phase.
void circleCase(Report& report) {
  const Grouped found = group(report, cycle(700), 2);
  const int64_t width = found.spectrum.modes;
  const std::vector<double> walk = report.gather(found.walk, 700, width);
  double error = 0;
  for (size_t i = 0; i < 700; i++) {
    const double x = walk[i * (size_t)width];
    const double y = walk[i * (size_t)width + 1];
    error = std::max(error, std::abs(x * x + y * y - 2));
  }
  // A residual of 1e-8 turns a vector by that over the gap to the next value, 1.2e-4 here.
  report.add("a cycle's coordinates are a circle", error, 1e-4, walk);
}

/// A node that hangs on a grid by a weight whose root is far under rounding errors: its vector is
/// its neighbour's, over 1 - lambda.
void weakCase(Report& report) {
  Edges edges = torus(30, 40);
  edges.edges.push_back({7, (int32_t)edges.count, 1e-60});
  edges.count++;
  const Grouped found = group(report, edges, 2);
  const int64_t width = found.spectrum.modes;
  const std::vector<double> walk = report.gather(found.walk, edges.count, width);
  double error = 0;
  for (int64_t j = 0; j < width; j++) {
    const double value = found.spectrum.parts[0].values[(size_t)j];
    const double wanted = walk[(size_t)(7 * width + j)] / (1 - value);
    error = std::max(error, std::abs(walk[(size_t)((edges.count - 1) * width + j)] - wanted));
  }
  report.add("a weak node's coordinates are its neighbour's", error, 1e-7, walk);
}

void clusterCases(Report& report) {
  const Grouped cliques = group(report, twoCliques(150), 0);
  const std::vector<double> of =
      report.gather(asNumbers(cliques.clusters.ofNode), cliques.graph.count, 1);
  double wrong = cliques.clusters.list.size() == 2 && cliques.clusters.clearGap() ? 0 : 1;
  for (size_t i = 0; i < of.size(); i++) wrong += of[i] == (i < 150 ? 0 : 1) ? 0 : 1;
  report.add("two cliques are two clusters", wrong, 0, of);

  Edges edges = disjoint(twoCliques(100), 3);
  // A pair of nodes that is no part.
  edges.edges.push_back({(int32_t)edges.count, (int32_t)edges.count + 1, 1});
  edges.count += 2;
  const Grouped parts = group(report, edges, 0);
  const std::vector<double> all =
      report.gather(asNumbers(parts.clusters.ofNode), edges.count, 1);
  wrong = parts.clusters.list.size() == 6 ? 0 : 1;
  wrong += all[(size_t)edges.count - 1] == -1 ? 0 : 1;
  std::set<double> seen;
  for (size_t c = 0; c < 6; c++) {
    const size_t first = c % 3 + (c < 3 ? 0 : 300);
    for (size_t i = 0; i < 100; i++) wrong += all[first + 3 * i] == all[first] ? 0 : 1;
    seen.insert(all[first]);
  }
  wrong += seen.size() == 6 ? 0 : 1;
  for (const ClusterFacts& cluster : parts.clusters.list) {
    wrong += cluster.nodes == 100 && cluster.component < 3 ? 0 : 1;
  }
  report.add("clusters keep to their components", wrong, 0, all);

  const Grouped few = group(report, disjoint(cycle(300), 5), 2);
  wrong = few.clusters.list.size() == 5 ? 0 : 1;
  report.add("no cluster spans two components", wrong, 0,
             report.gather(asNumbers(few.clusters.ofNode), few.graph.count, 1));
}

/// 40 nodes on a line, one apart from the next, and one 10 away, under k = 2.
void outlierCase(Report& report) {
  constexpr int64_t count = 41;
  const auto at = [](int64_t i) { return i == count - 1 ? 49.0 : (double)i; };
  Neighbors neighbors{searchRange(count, report.rank, report.ranks), 2, {}, {}};
  for (int64_t i = neighbors.range.lo; i < neighbors.range.hi; i++) {
    std::vector<std::pair<double, int32_t>> others;
    for (int64_t j = 0; j < count; j++) {
      if (j != i) others.emplace_back(std::abs(at(i) - at(j)), (int32_t)j);
    }
    std::sort(others.begin(), others.end());
    for (size_t j = 0; j < 2; j++) {
      neighbors.distances.push_back(others[j].first);
      neighbors.ids.push_back(others[j].second);
    }
  }
  const Layout layout(report.ranks, [&](int r) { return searchRange(count, r, report.ranks); });
  const std::vector<double> scores =
      gatherAll(report.comm, outlierScores(report.comm, neighbors, count), layout, 1);
  // Its neighbours 39 and 38 have 2 and 1 to their second: 11 / 1.5.
  const double error = std::max(std::abs(scores[40] - 11 / 1.5), std::abs(scores[20] - 1));
  report.add("an outlier's score", error, 1e-15, scores);
}

}  // namespace

void productCases(Report& report) {
  circleCase(report);
  weakCase(report);
  clusterCases(report);
  outlierCase(report);
}

}  // namespace ligase::tests
