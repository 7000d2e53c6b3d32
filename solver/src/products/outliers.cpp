// Owns the medians; see outliers.h.
#include "products/outliers.h"

#include <algorithm>

#include "common/gather.h"

namespace ligase {

namespace {

constexpr double medianFloor = 1e-6;

/// The mean of the two in the middle of an even number.
double median(std::vector<double>& values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace

std::vector<double> outlierScores(MPI_Comm comm, const Neighbors& neighbors, int64_t count) {
  int ranks = 1;
  MPI_Comm_size(comm, &ranks);
  const Layout layout(ranks, [&](int r) { return searchRange(count, r, ranks); });
  const int64_t k = neighbors.k;
  std::vector<double> own;
  for (int64_t i = 0; i < neighbors.range.size(); i++) {
    own.push_back(neighbors.distances[(size_t)(i * k + k - 1)]);
  }
  const std::vector<double> farthest = gatherAll(comm, own, layout, 1);
  const double floor = medianFloor * *std::max_element(farthest.begin(), farthest.end());
  std::vector<double> scores;
  std::vector<double> around((size_t)k);
  for (int64_t i = 0; i < neighbors.range.size(); i++) {
    for (int64_t j = 0; j < k; j++) {
      around[(size_t)j] = farthest[(size_t)neighbors.ids[(size_t)(i * k + j)]];
    }
    const double usual = std::max(median(around), floor);
    scores.push_back(usual > 0 ? own[(size_t)i] / usual : 1);
  }
  return scores;
}

}  // namespace ligase
