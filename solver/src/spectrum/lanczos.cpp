// Owns the steps, restarts and probes; see lanczos.h.
//
// Estimate: a step of 4 vectors at 50,000 nodes reads the graph once (12 MB) and the basis four
// times (2 x 64 x 400 KB each for Gram and update), so the basis decides: ~8 ms at 10 GB/s, 2 ms a
// product.
// Source: Wu and Simon, Thick-restart Lanczos method, 2000; Stewart, Krylov-Schur, 2001.
#include "spectrum/lanczos.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "algebra/dense.h"

namespace ligase {

namespace {

/// An eigenpair is locked under this estimate of its residual: the couplings of 16 of them that are
/// dropped so leave every true residual under 1e-8.
constexpr double lockResidual = 1.5e-9;
/// Eigenvalues this close count as equal.
constexpr double equalValues = 1e-8;
/// Runs with fresh random vectors; each finds at least one missed copy, or is the last.
constexpr int64_t probesMax = 64;
/// Active vectors at which a probe first looks at what it has, and after how many more again.
constexpr int64_t probeFirst = 32;
constexpr int64_t probeEvery = 16;

/// D^1/2 1 as a unit vector. Collective.
void writeNull(MPI_Comm comm, const Graph& graph, Basis& basis) {
  const double total = treeSum(comm, graph.degree, graph.count, 1)[0];
  std::vector<double> roots;
  for (const double degree : graph.degree) roots.push_back(std::sqrt(degree / total));
  basis.write(0, 1, roots.data());
}

}  // namespace

Lanczos::Lanczos(MPI_Comm comm, const Graph& graph, int64_t wanted, uint64_t seed,
                 const LanczosSizes& sizes)
    : comm_(comm),
      wanted_(wanted),
      sizes_(sizes),
      matrix_(Rows::symmetric(comm, graph)),
      basis_(comm, graph.count, 1 + 2 * wanted + sizes.active + sizes.block),
      key_{seed, 0},
      stride_(sizes.active),
      t_((size_t)(stride_ * stride_), 0.0),
      x_((size_t)(basis_.range.size() * sizes.block)),
      y_(x_.size()) {
  writeNull(comm, graph, basis_);
}

void Lanczos::solve() {
  findWanted();
  if (converged_ < wanted_) return;
  for (int64_t run = 1; run <= probesMax && products_ < sizes_.productsMax; run++) {
    key_.run = (uint64_t)run;
    const bool found = probe();
    keepBest();
    if (!found) return;
  }
}

/// A fresh random block behind the locked vectors, and no active ones.
void Lanczos::startRun() {
  active_ = 0;
  draws_ = (uint64_t)sizes_.block;
  std::fill(t_.begin(), t_.end(), 0.0);
  fillRandom(basis_, height(), sizes_.block, key_, 0);
  orthonormalize(basis_, height(), sizes_.block, key_, draws_);
}

/// The next block becomes active, and A times it, less all that is there, the next one.
void Lanczos::expand() {
  const int64_t b = sizes_.block;
  const int64_t first = height() + active_;
  basis_.read(first, b, x_.data());
  matrix_.multiply(x_.data(), b, y_.data());
  for (size_t i = 0; i < x_.size(); i++) y_[i] += x_[i];
  basis_.write(first + b, b, y_.data());
  products_ += b;
  const Coupling coupling = orthonormalize(basis_, first + b, b, key_, draws_);
  for (int64_t j = 0; j < b; j++) {
    for (int64_t i = 0; i < active_ + b; i++) {
      const double value = coupling.h[(size_t)(j * (first + b) + height() + i)];
      // The block's own part is symmetric to rounding; its upper triangle counts.
      if (i > active_ + j) continue;
      t_[(size_t)((active_ + j) * stride_ + i)] = value;
      t_[(size_t)(i * stride_ + active_ + j)] = value;
    }
  }
  active_ += b;
  last_ = coupling.r;
}

Lanczos::Ritz Lanczos::ritz() {
  const int64_t b = sizes_.block;
  std::vector<double> matrix;
  for (int64_t j = 0; j < active_; j++) {
    matrix.insert(matrix.end(), t_.begin() + j * stride_, t_.begin() + j * stride_ + active_);
  }
  const Eigenpairs pairs = symmetricEigen(comm_, matrix, active_);
  Ritz ritz;
  for (int64_t i = active_ - 1; i >= 0; i--) {
    const double* vector = pairs.vectors.data() + i * active_;
    ritz.values.push_back(pairs.values[(size_t)i]);
    ritz.vectors.insert(ritz.vectors.end(), vector, vector + active_);
    double square = 0;
    for (int64_t row = 0; row < b; row++) {
      double part = 0;
      for (int64_t j = 0; j < b; j++) {
        part += last_[(size_t)(j * b + row)] * vector[active_ - b + j];
      }
      square += part * part;
    }
    ritz.residuals.push_back(std::sqrt(square));
  }
  return ritz;
}

/// Leading Ritz pairs over `floor` that may be locked.
int64_t Lanczos::settledCount(const Ritz& ritz, double floor) const {
  int64_t count = 0;
  while (count < active_ && ritz.values[(size_t)count] > floor &&
         ritz.residuals[(size_t)count] <= lockResidual) {
    count++;
  }
  return count;
}

/// Restarts from the `kept` leading Ritz vectors and locks the first `count` of them.
void Lanczos::lock(const Ritz& ritz, int64_t count, int64_t kept) {
  const int64_t first = height();
  basis_.rotate(first, active_, ritz.vectors.data(), active_, kept);
  for (int64_t j = 0; j < sizes_.block; j++) basis_.copy(first + active_ + j, first + kept + j);
  std::fill(t_.begin(), t_.end(), 0.0);
  for (int64_t i = 0; i < count; i++) values_.push_back(ritz.values[(size_t)i]);
  active_ = kept - count;
  for (int64_t i = 0; i < active_; i++) {
    t_[(size_t)(i * stride_ + i)] = ritz.values[(size_t)(count + i)];
  }
}

void Lanczos::findWanted() {
  const double none = -std::numeric_limits<double>::infinity();
  startRun();
  for (;;) {
    while (active_ + sizes_.block <= sizes_.active) expand();
    const Ritz found = ritz();
    const int64_t left = wanted_ - (int64_t)values_.size();
    const int64_t ready = std::min(left, settledCount(found, none));
    converged_ += ready;
    if (ready == left) return lock(found, ready, ready);
    // Out of products: the rest are estimates, and their residuals say so.
    if (products_ >= sizes_.productsMax) return lock(found, left, left);
    const int64_t rest = left - ready;
    const int64_t kept = ready + rest + (sizes_.active - rest) / 2;
    lock(found, ready, std::min(kept, sizes_.active - sizes_.block));
  }
}

/// Whether random vectors, kept orthogonal to all that was found, lead to an eigenvalue over the
/// least of them. What it finds is locked.
bool Lanczos::probe() {
  startRun();
  bool any = false;
  int64_t look = probeFirst;
  while (products_ < sizes_.productsMax) {
    while (active_ < std::min(look, sizes_.active - sizes_.block)) expand();
    const Ritz found = ritz();
    const auto least = [&] {
      std::vector<double> sorted = values_;
      std::sort(sorted.begin(), sorted.end(), std::greater<>());
      return sorted[(size_t)wanted_ - 1];
    };
    const int64_t room = 2 * wanted_ - (int64_t)values_.size();
    const int64_t missed = std::min(room, settledCount(found, least() + equalValues));
    any = any || missed > 0;
    const bool full = missed == room;
    const double next = found.values[(size_t)missed];
    const double residual = found.residuals[(size_t)missed];
    const bool over = next > least() + equalValues;
    if (full || (!over && (next + residual < least() || residual <= lockResidual))) {
      lock(found, missed, missed);
      return any;
    }
    look += probeEvery;
    if (missed > 0 || active_ + sizes_.block > sizes_.active - sizes_.block) {
      lock(found, missed, std::min(active_, missed + (sizes_.active - missed) / 4));
      look = active_ + probeEvery;
    }
  }
  return any;
}

/// Keeps the `wanted` largest of the locked pairs, descending.
void Lanczos::keepBest() {
  const auto count = (int64_t)values_.size();
  std::vector<int64_t> order((size_t)count);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return values_[(size_t)a] > values_[(size_t)b];
  });
  std::vector<double> permutation((size_t)(count * wanted_), 0.0);
  std::vector<double> best;
  for (int64_t i = 0; i < wanted_; i++) {
    permutation[(size_t)(i * count + order[(size_t)i])] = 1;
    best.push_back(values_[(size_t)order[(size_t)i]]);
  }
  basis_.rotate(1, count, permutation.data(), count, wanted_);
  values_ = best;
}

}  // namespace ligase
