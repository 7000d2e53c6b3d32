// Owns the calls of LAPACK and BLAS for small dense matrices, column-major.
// Invariants: BLAS runs on one thread; no shape handed to it depends on ranks or threads.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <vector>

namespace ligase {

/// Keeps OpenBLAS on one thread: a pool of its own beside ranks costs more than it gains.
/// Not collective.
void useOneBlasThread();

struct Eigenpairs {
  /// Ascending.
  std::vector<double> values;
  /// Unit vectors, column-major [n, n].
  std::vector<double> vectors;
};

/// Eigenpairs of a symmetric matrix, column-major [n, n]; its upper triangle is read.
/// Not collective. @throws SolverError INTERNAL when LAPACK finds no convergence.
Eigenpairs symmetricEigen(std::vector<double> matrix, int64_t n);

/// The same, found by rank 0, which alone needs the matrix, and handed to all. Collective.
Eigenpairs symmetricEigen(MPI_Comm comm, const std::vector<double>& matrix, int64_t n);

/// c = alpha op(a) b + beta c; c is [m, n], the inner size is k. Not collective.
void multiplyDense(bool transposeA, int64_t m, int64_t n, int64_t k, double alpha, const double* a,
                   int64_t strideA, const double* b, int64_t strideB, double beta, double* c,
                   int64_t strideC);

}  // namespace ligase
