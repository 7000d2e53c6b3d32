// Owns seeding and iteration; see kmeans.h.
#include "products/kmeans.h"

#include <cmath>
#include <limits>

#include "algebra/random.h"
#include "common/gather.h"

namespace ligase {

namespace {

constexpr int64_t restarts = 10;
constexpr int iterationsMax = 100;
/// A step that lowers the inertia by less than this part of it is the last.
constexpr double gainMin = 1e-9;
constexpr double infinity = std::numeric_limits<double>::infinity();

/// MPI_DOUBLE_INT: MINLOC takes the smaller node of equal values.
struct At {
  double value;
  int node;
};

double squareDistance(const double* a, const double* b, int64_t width) {
  double sum = 0;
  for (int64_t d = 0; d < width; d++) sum += (a[d] - b[d]) * (a[d] - b[d]);
  return sum;
}

const double* pointOf(const Points& points, size_t i) {
  return points.values.data() + i * (size_t)points.dimensions;
}

/// Appends the point of a node that one rank has. Collective.
void appendPoint(MPI_Comm comm, const Points& points, int64_t node, std::vector<double>& centres) {
  // Exact: all ranks but one say minus infinity.
  std::vector<double> point((size_t)points.dimensions, -infinity);
  for (size_t i = 0; i < points.places.size(); i++) {
    if (points.range.lo + points.places[i] != node) continue;
    point.assign(pointOf(points, i), pointOf(points, i) + points.dimensions);
  }
  MPI_Allreduce(MPI_IN_PLACE, point.data(), (int)point.size(), MPI_DOUBLE, MPI_MAX, comm);
  centres.insert(centres.end(), point.begin(), point.end());
}

/// k-means++: each seed is drawn with a chance of its squared distance to the nearest one before,
/// as the winner of a race of exponential times, which needs no sum. Collective.
std::vector<double> seeds(MPI_Comm comm, const Points& points, int64_t centres, uint64_t seed,
                          int64_t restart) {
  std::vector<double> chosen;
  std::vector<double> nearest(points.places.size(), infinity);
  for (int64_t draw = 0; draw < centres; draw++) {
    At first{infinity, std::numeric_limits<int>::max()};
    for (size_t i = 0; i < points.places.size(); i++) {
      const int64_t node = points.range.lo + points.places[i];
      const double chance = draw == 0 ? 1 : nearest[i];
      const auto key = (uint64_t)((restart << 32) + draw);
      const double time =
          -std::log(randomUniform(seed, Purpose::seeding, key, (uint64_t)node)) / chance;
      if (time < first.value || first.node == std::numeric_limits<int>::max()) {
        first = {time, (int)node};
      }
    }
    MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_DOUBLE_INT, MPI_MINLOC, comm);
    appendPoint(comm, points, first.node, chosen);
    const double* last = chosen.data() + draw * points.dimensions;
    for (size_t i = 0; i < nearest.size(); i++) {
      const double square = squareDistance(pointOf(points, i), last, points.dimensions);
      nearest[i] = std::min(nearest[i], square);
    }
  }
  return chosen;
}

/// Assigns each point to its nearest centre; [centres, dimensions + 2]: sums of points, their
/// number and their inertia. Collective.
std::vector<double> assign(MPI_Comm comm, const Points& points, const std::vector<double>& centres,
                           Partition& partition) {
  const int64_t width = points.dimensions;
  const auto count = (int64_t)centres.size() / width;
  const int64_t chunks = (points.range.size() + chunkSize - 1) / chunkSize;
  std::vector<double> partials((size_t)(chunks * count * (width + 2)), 0.0);
  for (size_t i = 0; i < points.places.size(); i++) {
    const double* point = pointOf(points, i);
    double best = infinity;
    double second = infinity;
    for (int64_t c = 0; c < count; c++) {
      const double square = squareDistance(point, centres.data() + c * width, width);
      if (square < best) {
        second = best;
        best = square;
        partition.centre[i] = (int32_t)c;
      } else {
        second = std::min(second, square);
      }
    }
    partition.margin[i] = second > 0 ? 1 - std::sqrt(best) / std::sqrt(second) : 0;
    const int64_t chunk = points.places[i] / chunkSize;
    double* sums = partials.data() + (chunk * count + partition.centre[i]) * (width + 2);
    for (int64_t d = 0; d < width; d++) sums[d] += point[d];
    sums[width] += 1;
    sums[width + 1] += best;
  }
  return treeOfChunks(comm, partials, points.count, count * (width + 2));
}

Partition lloyd(MPI_Comm comm, const Points& points, std::vector<double> centres) {
  const int64_t width = points.dimensions;
  const auto count = (int64_t)centres.size() / width;
  Partition partition{std::vector<int32_t>(points.places.size(), 0),
                      std::vector<double>(points.places.size(), 0.0), infinity};
  for (int step = 0; step < iterationsMax; step++) {
    const std::vector<double> sums = assign(comm, points, centres, partition);
    double inertia = 0;
    for (int64_t c = 0; c < count; c++) {
      const double* sum = sums.data() + c * (width + 2);
      inertia += sum[width + 1];
      // A centre without points stays where it is.
      for (int64_t d = 0; d < width && sum[width] > 0; d++) {
        centres[(size_t)(c * width + d)] = sum[d] / sum[width];
      }
    }
    const bool settled = partition.inertia - inertia <= gainMin * inertia;
    partition.inertia = inertia;
    if (settled) break;
  }
  return partition;
}

}  // namespace

Partition kmeans(MPI_Comm comm, const Points& points, int64_t centres, uint64_t seed) {
  Partition best;
  best.inertia = infinity;
  // One centre's runs are all alike.
  const int64_t runs = centres == 1 ? 1 : restarts;
  for (int64_t restart = 0; restart < runs; restart++) {
    Partition found = lloyd(comm, points, seeds(comm, points, centres, seed, restart));
    if (found.inertia < best.inertia) best = std::move(found);
  }
  return best;
}

}  // namespace ligase
