// Owns the final distances and their order; see refine.h. Every distance is summed as distance.h
// says, whether a node had candidates or is compared with all.
#include "search/refine.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "common/threads.h"
#include "search/aligned.h"
#include "search/ring.h"

namespace ligase {

namespace {

/// Nodes that one thread takes at a time.
constexpr int64_t blockNodes = 64;
/// Candidates whose panels stay in the cache.
constexpr int64_t tileCandidates = 512;

/// One node as fp64, divided by its norm if it has one.
void toDoubles(const float* row, const double* norm, int64_t width, double* out) {
  for (int64_t d = 0; d < width; d++) out[d] = row[d];
  if (norm == nullptr) return;
  for (int64_t d = 0; d < width; d++) out[d] /= *norm;
}

/// Squared distances of x to four rows at once: four chains of additions hide each other's wait.
void fourSquares(const double* x, const double* const* rows, int64_t width, double* out) {
  double sum[4] = {};
  for (int64_t d = 0; d < width; d++) {
    for (int j = 0; j < 4; j++) {
      const double difference = x[d] - rows[j][d];
      sum[j] = sum[j] + difference * difference;
    }
  }
  std::copy_n(sum, 4, out);
}

class Refiner {
 public:
  Refiner(const SearchTask& task, const Selection& selection)
      : task_(task), selection_(selection), width_(task.nodes.dimensions),
        rows_(pieceNodes(width_) * width_), squares_(selection.candidates.size()) {
    const auto entries = (size_t)(task.nodes.range.size() * task.k);
    result_ = {task.nodes.range, task.k, std::vector<int32_t>(entries, -1),
               std::vector<double>(entries, std::numeric_limits<double>::infinity())};
    for (size_t at = 0; at < squares_.size(); at++) {
      squares_[at].resize(selection.candidates[at].size());
    }
    const int64_t wide = selection.undecided.empty() ? 0 : 1;
    for (int thread = 0; thread < task.threads; thread++) {
      scratch_.push_back({std::vector<double>(width_),
                          makeAligned<double>(wide * tileCandidates * width_),
                          makeAligned<double>(wide * blockNodes * width_),
                          makeAligned<double>(wide * tileCandidates * groupQueries)});
    }
  }

  void visit(const Piece& piece, const Poke& poke) {
    parallelFor(task_.threads, blocks(piece.nodes.size()), [&](int, int64_t block) {
      const int64_t end = std::min(piece.nodes.size(), (block + 1) * blockNodes);
      for (int64_t i = block * blockNodes; i < end; i++) {
        toDoubles(piece.values + i * width_, piece.norms == nullptr ? nullptr : piece.norms + i,
                  width_, rows_.data() + i * width_);
      }
    });
    const int64_t own = task_.nodes.range.size();
    parallelFor(task_.threads, blocks(own), [&](int thread, int64_t block) {
      const int64_t end = std::min(own, (block + 1) * blockNodes);
      for (int64_t at = block * blockNodes; at < end; at++) {
        measure(piece.nodes, at, scratch_[(size_t)thread]);
      }
      if (thread == 0) poke();
    });
    const auto undecided = (int64_t)selection_.undecided.size();
    parallelFor(task_.threads, blocks(undecided), [&](int thread, int64_t block) {
      compareAll(piece.nodes, block * blockNodes, std::min(undecided, (block + 1) * blockNodes),
                 scratch_[(size_t)thread]);
      if (thread == 0) poke();
    });
  }

  Neighbors finish() {
    for (size_t at = 0; at < squares_.size(); at++) keepNearest((int64_t)at);
    for (double& distance : result_.distances) distance = std::sqrt(distance);
    return std::move(result_);
  }

 private:
  struct Scratch {
    std::vector<double> query;
    /// [panels][d][panelLanes].
    AlignedBuffer<double> panels;
    /// [groups][d][groupQueries].
    AlignedBuffer<double> groups;
    /// [panels][groupQueries][panelLanes].
    AlignedBuffer<double> squares;
  };

  static int64_t blocks(int64_t count) { return (count + blockNodes - 1) / blockNodes; }

  void loadQuery(int64_t at, double* out) const {
    toDoubles(task_.nodes.values.data() + at * width_,
              task_.norms.empty() ? nullptr : task_.norms.data() + at, width_, out);
  }

  /// Distances of own node `at` to its candidates among the visiting ones.
  void measure(const Range& visiting, int64_t at, Scratch& scratch) {
    const std::vector<int32_t>& nodes = selection_.candidates[(size_t)at];
    const auto first = std::lower_bound(nodes.begin(), nodes.end(), visiting.lo);
    const auto last = std::lower_bound(first, nodes.end(), visiting.hi);
    if (first == last) return;
    loadQuery(at, scratch.query.data());
    for (auto node = first; node < last; node += std::min<int64_t>(4, last - node)) {
      const double* rows[4];
      double found[4];
      const int64_t count = std::min<int64_t>(4, last - node);
      for (int64_t j = 0; j < 4; j++) {
        const int64_t place = node[std::min(j, count - 1)] - visiting.lo;
        rows[j] = rows_.data() + place * width_;
      }
      fourSquares(scratch.query.data(), rows, width_, found);
      std::copy_n(found, count, squares_[(size_t)at].begin() + (node - nodes.begin()));
    }
  }

  /// Compares undecided nodes [lo, hi) with all that are visiting.
  void compareAll(const Range& visiting, int64_t lo, int64_t hi, Scratch& scratch) {
    const int64_t groups = (hi - lo + groupQueries - 1) / groupQueries;
    for (int64_t q = 0; q < groups * groupQueries; q++) {
      const int64_t at = selection_.undecided[(size_t)std::min(lo + q, hi - 1)];
      loadQuery(at, scratch.query.data());
      double* out = scratch.groups.get() + q / groupQueries * groupQueries * width_;
      for (int64_t d = 0; d < width_; d++) {
        out[d * groupQueries + q % groupQueries] = scratch.query[(size_t)d];
      }
    }
    for (int64_t tile = 0; tile < visiting.size(); tile += tileCandidates) {
      const int64_t count = std::min(tileCandidates, visiting.size() - tile);
      const int64_t panels = (count + panelLanes - 1) / panelLanes;
      packPanels(tile, count, panels, scratch.panels.get());
      for (int64_t g = 0; g < groups; g++) {
        task_.isa.kernel(scratch.groups.get() + g * groupQueries * width_, scratch.panels.get(),
                         width_, panels, scratch.squares.get());
        for (int64_t q = 0; q < std::min<int64_t>(groupQueries, hi - lo - g * groupQueries); q++) {
          insertNear(selection_.undecided[(size_t)(lo + g * groupQueries + q)],
                     visiting.lo + tile, count, scratch.squares.get() + q * panelLanes);
        }
      }
    }
  }

  /// Visiting rows [tile, tile + count) as panels; lanes behind them repeat the last row.
  void packPanels(int64_t tile, int64_t count, int64_t panels, double* out) const {
    for (int64_t at = 0; at < panels * panelLanes; at++) {
      const double* row = rows_.data() + (tile + std::min(at, count - 1)) * width_;
      double* panel = out + at / panelLanes * panelLanes * width_ + at % panelLanes;
      for (int64_t d = 0; d < width_; d++) panel[d * panelLanes] = row[d];
    }
  }

  /// Enters the near ones of `count` candidates from node `first` on, found by the kernel.
  void insertNear(int64_t at, int64_t first, int64_t count, const double* found) {
    double* squares = result_.distances.data() + at * task_.k;
    int32_t* ids = result_.ids.data() + at * task_.k;
    const int64_t self = task_.nodes.range.lo + at;
    for (int64_t c = 0; c < count; c += panelLanes, found += groupQueries * panelLanes) {
      const double bound = squares[task_.k - 1];
      int near = 0;
      for (int lane = 0; lane < panelLanes; lane++) near |= found[lane] <= bound ? 1 : 0;
      if (near == 0) continue;
      const int64_t lanes = std::min<int64_t>(panelLanes, count - c);
      for (int64_t lane = 0; lane < lanes; lane++) {
        if (first + c + lane != self) insert(squares, ids, found[lane], first + c + lane);
      }
    }
  }

  /// Puts a node in its place by (squared distance, node); the last one falls out.
  void insert(double* squares, int32_t* ids, double square, int64_t node) const {
    const auto before = [&](int64_t at) {
      return squares[at] < square || (squares[at] == square && ids[at] >= 0 && ids[at] < node);
    };
    int64_t at = task_.k;
    while (at > 0 && !before(at - 1)) at--;
    if (at == task_.k) return;
    std::copy_backward(squares + at, squares + task_.k - 1, squares + task_.k);
    std::copy_backward(ids + at, ids + task_.k - 1, ids + task_.k);
    squares[at] = square;
    ids[at] = (int32_t)node;
  }

  /// The k nearest candidates of own node `at`.
  void keepNearest(int64_t at) {
    const std::vector<double>& squares = squares_[(size_t)at];
    if (squares.empty()) return;
    const std::vector<int32_t>& nodes = selection_.candidates[(size_t)at];
    std::vector<int32_t> order(squares.size());
    std::iota(order.begin(), order.end(), 0);
    // Candidates stand by node: places compare as nodes do.
    std::partial_sort(order.begin(), order.begin() + task_.k, order.end(), [&](int a, int b) {
      return std::pair(squares[(size_t)a], a) < std::pair(squares[(size_t)b], b);
    });
    for (int64_t j = 0; j < task_.k; j++) {
      result_.ids[(size_t)(at * task_.k + j)] = nodes[(size_t)order[(size_t)j]];
      result_.distances[(size_t)(at * task_.k + j)] = squares[(size_t)order[(size_t)j]];
    }
  }

  const SearchTask& task_;
  const Selection& selection_;
  const int64_t width_;
  /// The piece, [nodes, d], as fp64.
  std::vector<double> rows_;
  /// Of each own node's candidates.
  std::vector<std::vector<double>> squares_;
  std::vector<Scratch> scratch_;
  Neighbors result_;
};

}  // namespace

Neighbors refine(const SearchTask& task, const Selection& selection) {
  Refiner refiner(task, selection);
  passAround(task.comm, task.nodes, task.norms,
             [&](const Piece& piece, const Poke& poke) { refiner.visit(piece, poke); });
  return refiner.finish();
}

}  // namespace ligase
