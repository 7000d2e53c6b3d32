// Owns iterated block Gram-Schmidt; see block.h.
//
// Each pass is one Gram matrix [Q W]^T W (one sweep over all vectors, one reduction), W -= Q g and
// a Cholesky factor of what is left of W^T W by Pythagoras. Where subtraction has eaten the digits
// of that rest, the pass leaves W's scale alone and the next one, which sees W as it is, decides.
// The usual block takes two passes.
#include "spectrum/block.h"

#include <algorithm>
#include <cmath>

#include "algebra/random.h"
#include "common/errors.h"

namespace ligase {

namespace {

/// A pivot under this part of its column's square before subtraction has too few digits left.
constexpr double cancelled = 1e-10;
/// Norm under which a vector holds rounding errors of the product alone.
constexpr double emptyNorm = 1e-11;
/// A pass that changed W by less than this was the last one needed.
constexpr double settled = 0.1;
/// Parts along Q under this are left: far more orthogonal than residuals of 1e-9 need.
constexpr double negligible = 1e-12;
constexpr int passesMax = 12;

struct Factor {
  /// Upper triangular, column-major.
  std::vector<double> r;
  /// First column that is cancelled, or the width.
  int64_t cancelledAt = 0;
};

/// Cholesky factor of `matrix` up to its first cancelled column; `whole` is it before subtraction.
Factor cholesky(const std::vector<double>& matrix, const std::vector<double>& whole,
                int64_t width) {
  Factor factor{std::vector<double>((size_t)(width * width), 0.0), width};
  const auto at = [&](int64_t row, int64_t column) { return (size_t)(column * width + row); };
  for (int64_t j = 0; j < width; j++) {
    double pivot = matrix[at(j, j)];
    for (int64_t i = 0; i < j; i++) {
      double value = matrix[at(i, j)];
      for (int64_t l = 0; l < i; l++) value -= factor.r[at(l, i)] * factor.r[at(l, j)];
      value /= factor.r[at(i, i)];
      factor.r[at(i, j)] = value;
      pivot -= value * value;
    }
    if (!(pivot > cancelled * whole[at(j, j)])) {
      factor.cancelledAt = j;
      return factor;
    }
    factor.r[at(j, j)] = std::sqrt(pivot);
  }
  return factor;
}

std::vector<double> identity(int64_t width) {
  std::vector<double> matrix((size_t)(width * width), 0.0);
  for (int64_t i = 0; i < width; i++) matrix[(size_t)(i * width + i)] = 1;
  return matrix;
}

/// a b of column-major [height, width] and [width, width].
std::vector<double> times(const std::vector<double>& a, const std::vector<double>& b,
                          int64_t height, int64_t width) {
  std::vector<double> product((size_t)(height * width), 0.0);
  for (int64_t j = 0; j < width; j++) {
    for (int64_t l = 0; l < width; l++) {
      const double factor = b[(size_t)(j * width + l)];
      for (int64_t i = 0; i < height; i++) {
        product[(size_t)(j * height + i)] += a[(size_t)(l * height + i)] * factor;
      }
    }
  }
  return product;
}

/// What one pass saw of W: its parts along Q, its Gram matrix, and that of what is left.
struct Pass {
  std::vector<double> along;
  std::vector<double> whole;
  std::vector<double> rest;
};

double largestPart(const std::vector<double>& values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

Pass look(Basis& basis, int64_t height, int64_t width) {
  const int64_t all = height + width;
  const std::vector<double> gram = basis.gram(0, all, height, width);
  Pass pass;
  for (int64_t j = 0; j < width; j++) {
    const auto column = gram.begin() + j * all;
    pass.along.insert(pass.along.end(), column, column + height);
    pass.whole.insert(pass.whole.end(), column + height, column + all);
  }
  pass.rest = pass.whole;
  // Usual from the second pass on: nothing is left to take away, and a sweep is saved.
  if (largestPart(pass.along) < negligible * std::sqrt(largestPart(pass.whole))) {
    std::fill(pass.along.begin(), pass.along.end(), 0.0);
    return pass;
  }
  basis.subtract(0, height, gram.data(), all, height, width);
  for (int64_t j = 0; j < width; j++) {
    for (int64_t i = 0; i < width; i++) {
      for (int64_t l = 0; l < height; l++) {
        pass.rest[(size_t)(j * width + i)] -=
            pass.along[(size_t)(i * height + l)] * pass.along[(size_t)(j * height + l)];
      }
    }
  }
  return pass;
}

/// Whether a pass left W nearly as it was.
bool unchanged(const Pass& pass, const std::vector<double>& r, int64_t width) {
  std::vector<double> change = r;
  for (int64_t i = 0; i < width; i++) change[(size_t)(i * width + i)] -= 1;
  return largestPart(pass.along) < settled && largestPart(change) < settled;
}

}  // namespace

void fillRandom(Basis& basis, int64_t first, int64_t width, const RandomKey& key, uint64_t draw) {
  std::vector<double> rows((size_t)(basis.range.size() * width));
  for (int64_t i = 0; i < basis.range.size(); i++) {
    for (int64_t v = 0; v < width; v++) {
      const uint64_t run = (key.run << 32) + draw + (uint64_t)v;
      const auto node = (uint64_t)(basis.range.lo + i);
      rows[(size_t)(i * width + v)] =
          2 * randomUniform(key.seed, Purpose::lanczos, run, node) - 1;
    }
  }
  basis.write(first, width, rows.data());
}

Coupling orthonormalize(Basis& basis, int64_t height, int64_t width, const RandomKey& key,
                        uint64_t& draws) {
  Coupling coupling{std::vector<double>((size_t)(height * width), 0.0), identity(width)};
  bool trusted = false;
  for (int number = 0; number < passesMax; number++) {
    const Pass pass = look(basis, height, width);
    const std::vector<double> gained = times(pass.along, coupling.r, height, width);
    for (size_t i = 0; i < gained.size(); i++) coupling.h[i] += gained[i];
    // Only a pass that took little away from W knows what is left of it.
    const bool little = largestPart(pass.along) < settled * std::sqrt(largestPart(pass.whole));
    const Factor factor = cholesky(pass.rest, pass.whole, width);
    const int64_t bad = factor.cancelledAt;
    if (bad == width) {
      basis.solveTriangle(height, width, factor.r);
      coupling.r = times(factor.r, coupling.r, width, width);
      if (trusted && unchanged(pass, factor.r, width)) return coupling;
      trusted = true;
    } else if (little || pass.whole[(size_t)(bad * width + bad)] <= emptyNorm * emptyNorm) {
      fillRandom(basis, height + bad, 1, key, draws++);
      for (int64_t j = 0; j < width; j++) coupling.r[(size_t)(j * width + bad)] = 0;
      trusted = false;
    }
  }
  throw SolverError(Exit::internal, "no orthonormal block of vectors");
}

}  // namespace ligase
