// Owns blocking and selection of the exact search; see neighbors.h.
// Blocks: 512 candidates are converted to fp64 panels once and stay in the cache while all queries
// of this rank pass, 8 at a time.
#include "compute/neighbors.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>

#include "common/errors.h"

namespace ligase {

namespace {

constexpr int64_t tileCandidates = 512;
constexpr int64_t tilePanels = tileCandidates / panelLanes;

struct Free {
  void operator()(double* memory) const { std::free(memory); }
};
using Buffer = std::unique_ptr<double[], Free>;

/// Aligned to a cache line, as the kernel wants it.
Buffer makeBuffer(int64_t doubles) {
  const size_t bytes = ((size_t)doubles * sizeof(double) + 63) / 64 * 64;
  auto* memory = static_cast<double*>(std::aligned_alloc(64, bytes));
  if (memory == nullptr) throw std::bad_alloc();
  return Buffer(memory);
}

/// Norm of each node under cosine, else nothing. Every rank computes all of them, one way.
std::vector<double> norms(const Nodes& nodes, Metric metric) {
  std::vector<double> result;
  if (metric == Metric::l2) return result;
  for (int64_t i = 0; i < nodes.count(); i++) {
    const float* row = nodes.values.data() + i * nodes.dimensions;
    double sum = 0;
    for (int64_t d = 0; d < nodes.dimensions; d++) sum += (double)row[d] * (double)row[d];
    if (sum == 0) {
      const auto first = std::find(nodes.ofRow.begin(), nodes.ofRow.end(), i);
      throw SolverError(Exit::badData, "a zero vector has no direction: no cosine distance",
                        {{"row", first - nodes.ofRow.begin()}});
    }
    result.push_back(std::sqrt(sum));
  }
  return result;
}

/// One search: what it reads, its buffers, its result so far.
class Search {
 public:
  Search(const Nodes& nodes, Range range, int64_t k, Metric metric, const Isa& isa)
      : nodes_(nodes), norms_(norms(nodes, metric)), kernel_(isa.kernel),
        panels_(makeBuffer(tileCandidates * nodes.dimensions)),
        group_(makeBuffer(groupQueries * nodes.dimensions)),
        squares_(makeBuffer(tileCandidates * groupQueries)) {
    const auto entries = (size_t)(range.size() * k);
    result_ = {range, k, std::vector<int32_t>(entries, -1),
               std::vector<double>(entries, std::numeric_limits<double>::infinity())};
  }

  /// Compares all queries with candidates [lo, hi), hi - lo <= tileCandidates. Tiles must come in
  /// ascending order: then a later candidate never goes before an equally distant one.
  void tile(int64_t lo, int64_t hi) {
    const int64_t panels = (hi - lo + panelLanes - 1) / panelLanes;
    for (int64_t p = 0; p < panels; p++) {
      pack(lo + p * panelLanes, hi, panelLanes, panels_.get() + p * panelLanes * width());
    }
    for (int64_t q = result_.range.lo; q < result_.range.hi; q += groupQueries) {
      pack(q, result_.range.hi, groupQueries, group_.get());
      kernel_(group_.get(), panels_.get(), width(), panels, squares_.get());
      select(q, lo, hi);
    }
  }

  Neighbors finish() {
    for (double& distance : result_.distances) distance = std::sqrt(distance);
    return std::move(result_);
  }

 private:
  int64_t width() const { return nodes_.dimensions; }

  /// Nodes [first, first + lanes) as fp64, d-major; those from `end` on are zeros, never used.
  void pack(int64_t first, int64_t end, int64_t lanes, double* out) const {
    for (int64_t lane = 0; lane < lanes; lane++) {
      const int64_t node = first + lane;
      if (node >= end) {
        for (int64_t d = 0; d < width(); d++) out[d * lanes + lane] = 0;
        continue;
      }
      const float* row = nodes_.values.data() + node * width();
      for (int64_t d = 0; d < width(); d++) out[d * lanes + lane] = row[d];
      if (norms_.empty()) continue;
      for (int64_t d = 0; d < width(); d++) out[d * lanes + lane] /= norms_[(size_t)node];
    }
  }

  /// Enters what the kernel found for the queries from `firstQuery` on.
  void select(int64_t firstQuery, int64_t lo, int64_t hi) {
    const int64_t queries = std::min<int64_t>(groupQueries, result_.range.hi - firstQuery);
    for (int64_t q = 0; q < queries; q++) {
      const int64_t slot = (firstQuery + q - result_.range.lo) * result_.k;
      double* squares = result_.distances.data() + slot;
      int32_t* ids = result_.ids.data() + slot;
      for (int64_t node = lo; node < hi; node += panelLanes) {
        const int64_t panel = (node - lo) / panelLanes;
        const double* found = squares_.get() + (panel * groupQueries + q) * panelLanes;
        // Most panels hold nothing near: the compiler turns this test into a few vector operations.
        const double bound = squares[result_.k - 1];
        int64_t near = 0;
        for (int64_t lane = 0; lane < panelLanes; lane++) near |= found[lane] < bound ? 1 : 0;
        if (near == 0) continue;
        const int64_t lanes = std::min<int64_t>(panelLanes, hi - node);
        for (int64_t lane = 0; lane < lanes; lane++) {
          if (found[lane] < squares[result_.k - 1] && node + lane != firstQuery + q) {
            insert(squares, ids, found[lane], (int32_t)(node + lane));
          }
        }
      }
    }
  }

  /// Puts a candidate behind all that aren't farther; the farthest falls out.
  void insert(double* squares, int32_t* ids, double square, int32_t id) const {
    const int64_t last = result_.k - 1;
    const int64_t at = std::upper_bound(squares, squares + last, square) - squares;
    std::copy_backward(squares + at, squares + last, squares + last + 1);
    std::copy_backward(ids + at, ids + last, ids + last + 1);
    squares[at] = square;
    ids[at] = id;
  }

  const Nodes& nodes_;
  const std::vector<double> norms_;
  const DistanceKernel kernel_;
  Buffer panels_;
  Buffer group_;
  /// [panels][groupQueries][panelLanes].
  Buffer squares_;
  Neighbors result_;
};

}  // namespace

Neighbors nearest(const Nodes& nodes, Range range, int64_t k, Metric metric, const Isa& isa) {
  Search search(nodes, range, k, metric, isa);
  const int64_t candidates = range.size() > 0 ? nodes.count() : 0;
  for (int64_t lo = 0; lo < candidates; lo += tileCandidates) {
    search.tile(lo, std::min(candidates, lo + tileCandidates));
  }
  return search.finish();
}

}  // namespace ligase
