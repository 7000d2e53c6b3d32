// Owns plan, numbering, medoids and table; see clusters.h.
#include "products/clusters.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

#include "common/gather.h"
#include "products/coordinates.h"
#include "products/kmeans.h"

namespace ligase {

namespace {

/// The nodes of one part as rows (1, phi_1, ..., phi_(k-1)) of length 1.
Points pointsOf(const Graph& graph, const std::vector<int32_t>& part, int32_t own,
                const std::vector<double>& phi, int64_t modes, int64_t dimensions) {
  Points points{graph.count, graph.range, {}, {}, dimensions};
  for (size_t i = 0; i < part.size(); i++) {
    if (part[i] != own) continue;
    points.places.push_back((int64_t)i);
    double square = 1;
    for (int64_t j = 0; j + 1 < dimensions; j++) {
      const double value = phi[i * (size_t)modes + (size_t)j];
      square += value * value;
    }
    const double length = std::sqrt(square);
    points.values.push_back(1 / length);
    for (int64_t j = 0; j + 1 < dimensions; j++) {
      points.values.push_back(phi[i * (size_t)modes + (size_t)j] / length);
    }
  }
  return points;
}

/// Numbers the clusters anew, without those that have no nodes. Collective.
/// @param components - of each old number.
void renumber(MPI_Comm comm, const Graph& graph, const std::vector<int32_t>& components,
              Clusters& clusters) {
  const size_t count = components.size();
  std::vector<int32_t> nodes(count, 0);
  std::vector<int32_t> smallest(count, std::numeric_limits<int32_t>::max());
  for (size_t i = 0; i < clusters.ofNode.size(); i++) {
    if (clusters.ofNode[i] < 0) continue;
    const auto c = (size_t)clusters.ofNode[i];
    nodes[c]++;
    smallest[c] = std::min(smallest[c], (int32_t)(graph.range.lo + (int64_t)i));
  }
  MPI_Allreduce(MPI_IN_PLACE, nodes.data(), (int)count, MPI_INT32_T, MPI_SUM, comm);
  MPI_Allreduce(MPI_IN_PLACE, smallest.data(), (int)count, MPI_INT32_T, MPI_MIN, comm);
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::tuple(-nodes[a], smallest[a]) < std::tuple(-nodes[b], smallest[b]);
  });
  std::vector<int32_t> number(count, -1);
  for (const size_t old : order) {
    if (nodes[old] == 0) continue;
    number[old] = (int32_t)clusters.list.size();
    clusters.list.push_back({components[old], nodes[old], -1});
  }
  for (int32_t& cluster : clusters.ofNode) {
    if (cluster >= 0) cluster = number[(size_t)cluster];
  }
}

/// The member nearest to the mean: sum |x - y_i|^2 = n |x - mean|^2 + what doesn't depend on x.
/// Collective.
void findMedoids(MPI_Comm comm, const Graph& graph, const std::vector<double>& at, int64_t modes,
                 Clusters& clusters) {
  const auto count = (int64_t)clusters.list.size();
  const int64_t chunks = (graph.range.size() + chunkSize - 1) / chunkSize;
  std::vector<double> partials((size_t)(chunks * count * modes), 0.0);
  for (int64_t i = 0; i < graph.range.size(); i++) {
    const int32_t c = clusters.ofNode[(size_t)i];
    if (c < 0) continue;
    double* sum = partials.data() + (i / chunkSize * count + c) * modes;
    for (int64_t j = 0; j < modes; j++) sum[j] += at[(size_t)(i * modes + j)];
  }
  const std::vector<double> sums = treeOfChunks(comm, partials, graph.count, count * modes);
  struct Nearest {
    double square;
    int node;
  };
  std::vector<Nearest> nearest((size_t)count, {std::numeric_limits<double>::infinity(),
                                               std::numeric_limits<int>::max()});
  for (int64_t i = 0; i < graph.range.size(); i++) {
    const int32_t c = clusters.ofNode[(size_t)i];
    if (c < 0) continue;
    double square = 0;
    for (int64_t j = 0; j < modes; j++) {
      const double mean = sums[(size_t)(c * modes + j)] / clusters.list[(size_t)c].nodes;
      const double step = at[(size_t)(i * modes + j)] - mean;
      square += step * step;
    }
    if (square < nearest[(size_t)c].square) {
      nearest[(size_t)c] = {square, (int)(graph.range.lo + i)};
    }
  }
  // MINLOC takes the smaller node of equal ones.
  MPI_Allreduce(MPI_IN_PLACE, nearest.data(), (int)count, MPI_DOUBLE_INT, MPI_MINLOC, comm);
  for (int64_t c = 0; c < count; c++) {
    clusters.list[(size_t)c].medoid = nearest[(size_t)c].node;
  }
}

}  // namespace

ClusterPlan planClusters(const std::vector<PartSpectrum>& parts, int64_t most, int64_t wanted) {
  std::vector<std::pair<double, size_t>> row;
  for (size_t p = 0; p < parts.size(); p++) {
    for (const double value : parts[p].values) row.emplace_back(value, p);
  }
  std::stable_sort(row.begin(), row.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  const auto zeros = (int64_t)parts.size();
  const int64_t all = zeros + (int64_t)row.size();
  const auto valueAt = [&](int64_t i) { return i < zeros ? 0 : row[(size_t)(i - zeros)].first; };
  ClusterPlan plan;
  int64_t found = zeros;
  for (int64_t k = std::max<int64_t>(2, zeros); k <= most && k < all; k++) {
    const double gap = valueAt(k) - valueAt(k - 1);
    if (gap > plan.gap) {
      plan.otherGap = plan.gap;
      plan.gap = gap;
      found = k;
    } else {
      plan.otherGap = std::max(plan.otherGap, gap);
    }
  }
  if (wanted > 0) found = std::min(std::max(wanted, zeros), all);
  plan.ofPart.assign(parts.size(), 1);
  for (int64_t i = zeros; i < found; i++) plan.ofPart[row[(size_t)(i - zeros)].second]++;
  return plan;
}

Clusters findClusters(MPI_Comm comm, const Graph& graph, const Spectrum& spectrum,
                      const std::vector<double>& phi, int64_t wanted, double time, uint64_t seed) {
  Clusters clusters;
  clusters.ofNode.assign((size_t)graph.range.size(), -1);
  clusters.margin.assign((size_t)graph.range.size(), 0.0);
  if (spectrum.parts.empty()) return clusters;
  const ClusterPlan plan = planClusters(spectrum.parts, spectrum.modes, wanted);
  clusters.gap = plan.gap;
  clusters.otherGap = plan.otherGap;
  const std::vector<int32_t> part = partOfNodes(graph, spectrum);
  std::vector<int32_t> components;
  for (size_t p = 0; p < spectrum.parts.size(); p++) {
    const int64_t count = plan.ofPart[p];
    const Points points = pointsOf(graph, part, (int32_t)p, phi, spectrum.modes, count);
    const Partition partition = kmeans(comm, points, count, seed);
    for (size_t i = 0; i < points.places.size(); i++) {
      const auto place = (size_t)points.places[i];
      clusters.ofNode[place] = (int32_t)components.size() + partition.centre[i];
      clusters.margin[place] = partition.margin[i];
    }
    const int32_t label = spectrum.parts[p].part.component;
    components.insert(components.end(), (size_t)count, label);
  }
  renumber(comm, graph, components, clusters);
  findMedoids(comm, graph, coordinatesAt(graph, spectrum, phi, time), spectrum.modes, clusters);
  return clusters;
}

SampleTable tabulate(MPI_Comm comm, const Clusters& clusters, const Manifest& manifest,
                     RowView& view) {
  SampleTable table;
  std::vector<size_t> sampleOfInput;
  for (const std::string& name : manifest.samples) {
    const auto at = std::find(table.names.begin(), table.names.end(), name);
    sampleOfInput.push_back((size_t)(at - table.names.begin()));
    if (at == table.names.end()) table.names.push_back(name);
  }
  const size_t samples = table.names.size();
  table.rows.assign(samples, 0);
  table.counts.assign(clusters.list.size() * samples, 0);
  const std::vector<int32_t> cluster = view.rows(clusters.ofNode, 1);
  for (const Shard& shard : manifest.shards) {
    const size_t sample = sampleOfInput[(size_t)shard.input];
    table.rows[sample] += (int32_t)shard.rows;
    const int64_t end = std::min(view.range.hi, shard.firstRow + shard.rows);
    for (int64_t row = std::max(view.range.lo, shard.firstRow); row < end; row++) {
      const int32_t c = cluster[(size_t)(row - view.range.lo)];
      if (c >= 0) table.counts[(size_t)c * samples + sample]++;
    }
  }
  MPI_Allreduce(MPI_IN_PLACE, table.counts.data(), (int)table.counts.size(), MPI_INT32_T, MPI_SUM,
                comm);
  return table;
}

}  // namespace ligase
