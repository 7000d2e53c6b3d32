// Owns thick-restart block Lanczos for the largest eigenvalues of A = I + S = 2 I - L_sym on one
// connected graph.
// Invariants: columns of the basis are [null vector | locked eigenvectors | active vectors | next
// block], orthonormal; A times the active ones = active x T + next x R E^T, to rounding and to the
// tolerance of what was locked; decisions hang on numbers that are the same on every rank.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <vector>

#include "algebra/basis.h"
#include "algebra/rows.h"
#include "spectrum/block.h"

namespace ligase {

/// Sizes of a run; results are the same to rounding for all sensible ones.
struct LanczosSizes {
  /// Vectors of a block: what one sweep over the graph and over the basis serves.
  int64_t block = 2;
  /// Active vectors at which it restarts; a multiple of `block`.
  int64_t active = 56;
  /// Products with A, in vectors, after which it ends with what it has.
  int64_t productsMax = 20000;
};

class Lanczos {
 public:
  /// Collective. @param wanted - eigenpairs beside the null vector; wanted + active < nodes / 2.
  Lanczos(MPI_Comm comm, const Graph& graph, int64_t wanted, uint64_t seed,
          const LanczosSizes& sizes);

  /// Finds `wanted` eigenpairs, then runs with fresh random vectors until one finds no copy of an
  /// eigenvalue that was missed. Collective.
  void solve();

  /// Eigenvalues of A that were found, descending; those behind `converged` are estimates.
  const std::vector<double>& values() const { return values_; }
  int64_t converged() const { return converged_; }
  /// Products with A, in vectors.
  int64_t products() const { return products_; }
  /// Eigenvector i is column 1 + i.
  Basis& basis() { return basis_; }
  /// S x on rows, for residuals. Collective.
  Rows& matrix() { return matrix_; }

 private:
  /// Eigenpairs of T, descending, with estimates of their residuals.
  struct Ritz {
    std::vector<double> values;
    /// Column-major [active, active].
    std::vector<double> vectors;
    std::vector<double> residuals;
  };

  int64_t height() const { return 1 + (int64_t)values_.size(); }
  void startRun();
  void expand();
  Ritz ritz();
  int64_t settledCount(const Ritz& ritz, double floor) const;
  void lock(const Ritz& ritz, int64_t count, int64_t kept);
  void findWanted();
  bool probe();
  void keepBest();

  MPI_Comm comm_;
  const int64_t wanted_;
  const LanczosSizes sizes_;
  Rows matrix_;
  Basis basis_;
  RandomKey key_;
  uint64_t draws_ = 0;
  int64_t products_ = 0;
  int64_t converged_ = 0;
  /// Of the locked eigenvectors.
  std::vector<double> values_;
  /// Active vectors that T covers, without the next block; T is column-major, `stride` wide.
  int64_t active_ = 0;
  int64_t stride_;
  std::vector<double> t_;
  /// R of the last step.
  std::vector<double> last_;
  std::vector<double> x_, y_;
};

}  // namespace ligase
