// Owns the choice of centre and scale; see scaling.h. Only speed depends on either.
#include "search/scaling.h"

#include <algorithm>
#include <cmath>

#include "common/gather.h"

namespace ligase {

namespace {

constexpr int64_t sampleNodes = 1024;
constexpr int scaledExponent = 60;

/// Every stride-th node of the whole set, on every rank: [nodes, d].
std::vector<double> sample(MPI_Comm comm, const Nodes& nodes, const std::vector<double>& norms) {
  const int64_t stride = (nodes.count() + sampleNodes - 1) / sampleNodes;
  std::vector<double> own;
  for (int64_t i = 0; i < nodes.range.size(); i++) {
    if ((nodes.range.lo + i) % stride != 0) continue;
    const float* row = nodes.values.data() + i * nodes.dimensions;
    const double norm = norms.empty() ? 1 : norms[(size_t)i];
    for (int64_t d = 0; d < nodes.dimensions; d++) own.push_back((double)row[d] / norm);
  }
  int ranks = 1;
  MPI_Comm_size(comm, &ranks);
  const auto before = [&](int64_t node) { return (node + stride - 1) / stride; };
  const Layout layout(ranks, [&](int r) {
    const Range range = searchRange(nodes.count(), r, ranks);
    return Range{before(range.lo), before(range.hi)};
  });
  return gatherAll(comm, own, layout, nodes.dimensions);
}

}  // namespace

Scaling chooseScaling(MPI_Comm comm, const Nodes& nodes, const std::vector<double>& norms) {
  const int64_t width = nodes.dimensions;
  Scaling scaling;
  const std::vector<double> rows = sample(comm, nodes, norms);
  std::vector<double> column(rows.size() / (size_t)width);
  for (int64_t d = 0; d < width; d++) {
    for (size_t i = 0; i < column.size(); i++) column[i] = rows[i * (size_t)width + (size_t)d];
    const auto middle = column.begin() + (int64_t)column.size() / 2;
    std::nth_element(column.begin(), middle, column.end());
    scaling.centre.push_back(*middle);
  }
  double largest = 0;
  for (int64_t i = 0; i < nodes.range.size(); i++) {
    const float* row = nodes.values.data() + i * width;
    const double norm = norms.empty() ? 1 : norms[(size_t)i];
    double sum = 0;
    for (int64_t d = 0; d < width; d++) {
      const double difference = (double)row[d] / norm - scaling.centre[(size_t)d];
      sum += difference * difference;
    }
    largest = std::max(largest, std::sqrt(sum));
  }
  MPI_Allreduce(MPI_IN_PLACE, &largest, 1, MPI_DOUBLE, MPI_MAX, comm);
  if (largest > 0) scaling.scale = std::ldexp(1.0, scaledExponent - std::ilogb(largest));
  const double unit = std::ldexp((double)width + 16, -24);
  scaling.epsilon = unit < 0.5 ? 1.01 * unit / (1 - unit) : 1;
  scaling.tiny = std::ldexp((double)width + 4, -120);
  return scaling;
}

void packScaled(const Scaling& scaling, const float* rows, const double* norms, int64_t first,
                int64_t end, int64_t lanes, float* out, double* squares) {
  const auto width = (int64_t)scaling.centre.size();
  for (int64_t lane = 0; lane < lanes; lane++) {
    const int64_t at = first + lane;
    squares[lane] = 0;
    if (at >= end) {
      for (int64_t d = 0; d < width; d++) out[d * lanes + lane] = 0;
      continue;
    }
    const float* row = rows + at * width;
    const double factor = norms == nullptr ? 1 : 1 / norms[at];
    double sum = 0;
    for (int64_t d = 0; d < width; d++) {
      const auto value = (float)(((double)row[d] * factor - scaling.centre[(size_t)d]) *
                                 scaling.scale);
      out[d * lanes + lane] = value;
      sum += (double)value * (double)value;
    }
    squares[lane] = sum;
  }
}

}  // namespace ligase
