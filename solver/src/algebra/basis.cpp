// Owns the loops over chunks; see basis.h.
#include "algebra/basis.h"

#include <algorithm>

#include "algebra/dense.h"
#include "common/gather.h"

namespace ligase {

namespace {

Range ownRange(MPI_Comm comm, int64_t count) {
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  return ownedRange(count, rank, ranks);
}

}  // namespace

Basis::Basis(MPI_Comm comm, int64_t count, int64_t columns)
    : range(ownRange(comm, count)),
      comm_(comm),
      count_(count),
      columns_(columns),
      chunks_((range.size() + chunkSize - 1) / chunkSize),
      values_((size_t)(chunks_ * columns * chunkSize), 0.0),
      scratch_((size_t)(columns * chunkSize)) {}

void Basis::read(int64_t first, int64_t width, double* out) {
  for (int64_t i = 0; i < range.size(); i++) {
    const double* from = chunk(i / chunkSize, first) + i % chunkSize;
    for (int64_t v = 0; v < width; v++) out[i * width + v] = from[v * chunkSize];
  }
}

void Basis::write(int64_t first, int64_t width, const double* rows) {
  for (int64_t i = 0; i < range.size(); i++) {
    double* to = chunk(i / chunkSize, first) + i % chunkSize;
    for (int64_t v = 0; v < width; v++) to[v * chunkSize] = rows[i * width + v];
  }
}

std::vector<double> Basis::gram(int64_t first, int64_t height, int64_t other, int64_t width) {
  std::vector<double> partials((size_t)(chunks_ * height * width));
  for (int64_t c = 0; c < chunks_; c++) {
    multiplyDense(true, height, width, chunkSize, 1, chunk(c, first), chunkSize, chunk(c, other),
                  chunkSize, 0, partials.data() + c * height * width, height);
  }
  return treeOfChunks(comm_, partials, count_, height * width);
}

void Basis::subtract(int64_t first, int64_t height, const double* g, int64_t stride, int64_t other,
                     int64_t width) {
  for (int64_t c = 0; c < chunks_; c++) {
    multiplyDense(false, chunkSize, width, height, -1, chunk(c, first), chunkSize, g, stride, 1,
                  chunk(c, other), chunkSize);
  }
}

void Basis::rotate(int64_t first, int64_t height, const double* u, int64_t stride, int64_t width) {
  for (int64_t c = 0; c < chunks_; c++) {
    multiplyDense(false, chunkSize, width, height, 1, chunk(c, first), chunkSize, u, stride, 0,
                  scratch_.data(), chunkSize);
    std::copy_n(scratch_.data(), width * chunkSize, chunk(c, first));
  }
}

void Basis::solveTriangle(int64_t other, int64_t width, const std::vector<double>& r) {
  for (int64_t c = 0; c < chunks_; c++) {
    for (int64_t v = 0; v < width; v++) {
      double* column = chunk(c, other + v);
      for (int64_t u = 0; u < v; u++) {
        const double factor = r[(size_t)(v * width + u)];
        const double* before = chunk(c, other + u);
        for (int64_t i = 0; i < chunkSize; i++) column[i] -= factor * before[i];
      }
      const double scale = 1 / r[(size_t)(v * width + v)];
      for (int64_t i = 0; i < chunkSize; i++) column[i] *= scale;
    }
  }
}

void Basis::copy(int64_t from, int64_t to) {
  for (int64_t c = 0; c < chunks_; c++) std::copy_n(chunk(c, from), chunkSize, chunk(c, to));
}

}  // namespace ligase
