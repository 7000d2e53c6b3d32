// Owns the foreign interfaces; see dense.h.
#include "algebra/dense.h"

#include <cblas.h>

#include "common/errors.h"

// LAPACK's own interface: OpenBLAS holds it, a C header isn't everywhere.
extern "C" void dsyevd_(const char* job, const char* triangle, const int* n, double* a,
                        const int* stride, double* values, double* work, const int* workSize,
                        int* integers, const int* integersSize, int* info);

namespace ligase {

void useOneBlasThread() { openblas_set_num_threads(1); }

Eigenpairs symmetricEigen(std::vector<double> matrix, int64_t n) {
  const auto size = (int)n;
  Eigenpairs pairs{std::vector<double>((size_t)n), {}};
  if (n == 0) return pairs;
  // Source: LAPACK, dsyevd: sizes of its work arrays for job V.
  const int workSize = 1 + 6 * size + 2 * size * size;
  const int integersSize = 3 + 5 * size;
  std::vector<double> work((size_t)workSize);
  std::vector<int> integers((size_t)integersSize);
  int info = 0;
  dsyevd_("V", "U", &size, matrix.data(), &size, pairs.values.data(), work.data(), &workSize,
          integers.data(), &integersSize, &info);
  if (info != 0) throw SolverError(Exit::internal, "no eigenvalues of a dense matrix");
  pairs.vectors = std::move(matrix);
  return pairs;
}

Eigenpairs symmetricEigen(MPI_Comm comm, const std::vector<double>& matrix, int64_t n) {
  int rank = 0;
  MPI_Comm_rank(comm, &rank);
  Eigenpairs pairs;
  collectively(comm, [&] {
    if (rank == 0) pairs = symmetricEigen(matrix, n);
  });
  pairs.values.resize((size_t)n);
  pairs.vectors.resize((size_t)(n * n));
  MPI_Bcast(pairs.values.data(), (int)n, MPI_DOUBLE, 0, comm);
  MPI_Bcast(pairs.vectors.data(), (int)(n * n), MPI_DOUBLE, 0, comm);
  return pairs;
}

void multiplyDense(bool transposeA, int64_t m, int64_t n, int64_t k, double alpha, const double* a,
                   int64_t strideA, const double* b, int64_t strideB, double beta, double* c,
                   int64_t strideC) {
  cblas_dgemm(CblasColMajor, transposeA ? CblasTrans : CblasNoTrans, CblasNoTrans, (int)m, (int)n,
              (int)k, alpha, a, (int)strideA, b, (int)strideB, beta, c, (int)strideC);
}

}  // namespace ligase
