// Owns the blocking of the fp32 pass; see select.h. A visiting piece is packed into panels once, by
// all threads; then each thread takes blocks of queries, packs them and runs the selector on four
// panels at a time, which stay in its cache while all groups of the block pass.
#include "search/select.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "common/progress.h"
#include "common/threads.h"
#include "search/aligned.h"
#include "search/candidates.h"
#include "search/ring.h"
#include "search/scaling.h"
#include "search/selector.h"

namespace ligase {

namespace {

constexpr int64_t runPanels = 4;
/// Bytes of a block of queries: it stays in the second-level cache.
constexpr int64_t blockBytes = 256 << 10;

class Selector {
 public:
  explicit Selector(const SearchTask& task)
      : task_(task), width_(task.nodes.dimensions), kernels_(selectorFor(task.isa)),
        scaling_(chooseScaling(task.comm, task.nodes, task.norms)),
        blockGroups_(std::clamp<int64_t>(blockBytes / (width_ * selectorQueries * 4), 2, 16)),
        lists_((size_t)task.nodes.range.size()) {
    const int64_t candidates = pieceNodes(width_) + selectorLanes;
    panels_ = makeAligned<float>(candidates * width_);
    half_ = makeAligned<float>(candidates);
    spread_.resize((size_t)candidates);
    for (int thread = 0; thread < task.threads; thread++) {
      const int64_t groups = blockGroups_ * selectorQueries;
      scratch_.push_back({makeAligned<float>(groups * width_), std::vector<double>(groups),
                          makeAligned<float>(runPanels * selectorQueries * selectorLanes)});
    }
  }

  void visit(const Piece& piece, const Poke& poke) {
    const int64_t panels = (piece.nodes.size() + selectorLanes - 1) / selectorLanes;
    parallelFor(task_.threads, panels, [&](int, int64_t panel) { pack(piece, panel); });
    const int64_t own = task_.nodes.range.size();
    const int64_t block = blockGroups_ * selectorQueries;
    parallelFor(task_.threads, (own + block - 1) / block, [&](int thread, int64_t unit) {
      compare(piece, unit * block, std::min(own, (unit + 1) * block), scratch_[(size_t)thread]);
      if (thread == 0) poke();
    });
  }

  Selection finish() {
    Selection selection;
    selection.candidates.resize(lists_.size());
    parallelFor(task_.threads, (int64_t)lists_.size(), [&](int, int64_t at) {
      selection.candidates[(size_t)at] = lists_[(size_t)at].finish(task_.k);
    });
    for (size_t at = 0; at < lists_.size(); at++) {
      if (lists_[at].overflown()) selection.undecided.push_back((int64_t)at);
    }
    return selection;
  }

 private:
  struct Scratch {
    /// [groups][d][selectorQueries].
    AlignedBuffer<float> groups;
    std::vector<double> squares;
    /// [runPanels][selectorQueries][selectorLanes].
    AlignedBuffer<float> found;
  };

  void pack(const Piece& piece, int64_t panel) {
    const int64_t first = panel * selectorLanes;
    double* squares = spread_.data() + first;
    packScaled(scaling_, piece.values, piece.norms, first, piece.nodes.size(), selectorLanes,
               panels_.get() + first * width_, squares);
    for (int64_t lane = 0; lane < selectorLanes; lane++) {
      const bool padding = first + lane >= piece.nodes.size();
      half_[first + lane] = padding ? std::numeric_limits<float>::max()
                                    : (float)(squares[lane] * (1 - scaling_.epsilon) / 2);
      squares[lane] *= scaling_.epsilon;
    }
  }

  /// Own nodes [lo, hi) with the whole piece.
  void compare(const Piece& piece, int64_t lo, int64_t hi, Scratch& scratch) {
    const int64_t groups = (hi - lo + selectorQueries - 1) / selectorQueries;
    const double* norms = task_.norms.empty() ? nullptr : task_.norms.data();
    for (int64_t g = 0; g < groups; g++) {
      packScaled(scaling_, task_.nodes.values.data(), norms, lo + g * selectorQueries, hi,
                 selectorQueries, scratch.groups.get() + g * selectorQueries * width_,
                 scratch.squares.data() + g * selectorQueries);
    }
    const int64_t panels = (piece.nodes.size() + selectorLanes - 1) / selectorLanes;
    for (int64_t panel = 0; panel < panels; panel += runPanels) {
      const int64_t run = std::min(runPanels, panels - panel);
      for (int64_t g = 0; g < groups; g++) {
        kernels_.multiply(scratch.groups.get() + g * selectorQueries * width_,
                          panels_.get() + panel * selectorLanes * width_,
                          half_.get() + panel * selectorLanes, width_, run, scratch.found.get());
        const int64_t query = lo + g * selectorQueries;
        for (int64_t q = 0; q < std::min<int64_t>(selectorQueries, hi - query); q++) {
          const double spread = scratch.squares[(size_t)(g * selectorQueries + q)];
          collect(piece, panel, run, query + q, spread * scaling_.epsilon,
                  scratch.found.get() + q * selectorLanes);
        }
      }
    }
  }

  /// Adds what is near to own node `at`.
  void collect(const Piece& piece, int64_t panel, int64_t run, int64_t at, double spread,
               const float* found) {
    CandidateList& list = lists_[(size_t)at];
    const int64_t self = task_.nodes.range.lo + at;
    // Most panels hold nothing near.
    uint32_t near = kernels_.near(found, list.threshold(), run);
    for (; near != 0; near &= near - 1) {
      const int64_t place = std::countr_zero(near);
      const float* values = found + place * selectorQueries * selectorLanes;
      const int64_t first = (panel + place) * selectorLanes;
      const int64_t lanes = std::min<int64_t>(selectorLanes, piece.nodes.size() - first);
      for (int64_t lane = 0; lane < lanes; lane++) {
        const int64_t node = piece.nodes.lo + first + lane;
        if (values[lane] > list.threshold() || node == self) continue;
        const double upper = (double)values[lane] + spread + spread_[(size_t)(first + lane)];
        list.add({values[lane], (float)(upper + scaling_.tiny), (int32_t)node}, task_.k);
      }
    }
  }

  const SearchTask& task_;
  const int64_t width_;
  const SelectorKernels kernels_;
  const Scaling scaling_;
  const int64_t blockGroups_;
  std::vector<CandidateList> lists_;
  /// The piece: [panels][d][selectorLanes], and of each candidate half(y) and e s_y.
  AlignedBuffer<float> panels_;
  AlignedBuffer<float> half_;
  std::vector<double> spread_;
  std::vector<Scratch> scratch_;
};

}  // namespace

Selection selectCandidates(const SearchTask& task) {
  Selector selector(task);
  int64_t seen = 0;
  passAround(task.comm, task.nodes, task.norms, [&](const Piece& piece, const Poke& poke) {
    selector.visit(piece, poke);
    seen += piece.nodes.size();
    setFraction((double)seen / (double)task.nodes.count() * 0.95);
  });
  return selector.finish();
}

}  // namespace ligase
