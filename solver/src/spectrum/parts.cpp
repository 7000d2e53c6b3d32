// Owns the division into parts; see parts.h.
#include "spectrum/parts.h"

#include <algorithm>
#include <numeric>

#include "algebra/fetch.h"

namespace ligase {

namespace {

constexpr int64_t nodesMin = 16;
/// A part has at least 1 / this of all nodes.
constexpr int64_t shareMin = 1000;

}  // namespace

std::vector<Part> largeComponents(const std::vector<int32_t>& component) {
  const auto count = (int64_t)component.size();
  std::vector<int64_t> sizes((size_t)count, 0);
  for (const int32_t label : component) sizes[(size_t)label]++;
  const int64_t least = std::max(nodesMin, (count + shareMin - 1) / shareMin);
  std::vector<Part> parts;
  for (int64_t label = 0; label < count; label++) {
    if (sizes[(size_t)label] >= least) parts.push_back({(int32_t)label, sizes[(size_t)label]});
  }
  return parts;
}

PartGraph::PartGraph(MPI_Comm comm, const Graph& graph, const Part& part)
    : comm_(comm), whole_(graph) {
  std::vector<int32_t> number((size_t)graph.count, -1);
  int32_t next = 0;
  for (int64_t node = 0; node < graph.count; node++) {
    if (node == graph.range.lo) first_ = next;
    if (graph.component[(size_t)node] != part.component) continue;
    if (node >= graph.range.lo && node < graph.range.hi) places_.push_back(node - graph.range.lo);
    number[(size_t)node] = next++;
  }
  if (part.nodes == graph.count) return;
  std::vector<Edge> edges;
  for (const int64_t place : places_) {
    const auto from = number[(size_t)(graph.range.lo + place)];
    for (int64_t e = graph.offsets[(size_t)place]; e < graph.offsets[(size_t)place + 1]; e++) {
      const int32_t to = number[(size_t)graph.columns[(size_t)e]];
      // The other end's owner has the other direction.
      if (from < to) edges.push_back({from, to, graph.weights[(size_t)e]});
    }
  }
  own_ = assembleGraph(comm, part.nodes, edges);
}

void PartGraph::scatter(const std::vector<double>& values, int64_t width, std::vector<double>& out,
                        int64_t stride) const {
  std::vector<int32_t> ids(places_.size());
  std::iota(ids.begin(), ids.end(), (int32_t)first_);
  Fetch fetch(comm_, graph().count, ids);
  const double* found = fetch.values(values.data(), width);
  for (size_t i = 0; i < places_.size(); i++) {
    std::copy_n(found + (int64_t)i * width, width, out.data() + places_[i] * stride);
  }
}

}  // namespace ligase
