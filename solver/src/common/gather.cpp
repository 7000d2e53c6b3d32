// Owns the order of floating-point sums; see gather.h.
#include "common/gather.h"

namespace ligase {

namespace {

/// Partials of the chunks in `own`, [chunks, width].
std::vector<double> chunkSums(const std::vector<double>& own, int64_t width) {
  const int64_t items = (int64_t)own.size() / width;
  const int64_t chunks = (items + chunkSize - 1) / chunkSize;
  std::vector<double> sums((size_t)(chunks * width), 0.0);
  for (int64_t i = 0; i < items; i++) {
    double* sum = sums.data() + i / chunkSize * width;
    for (int64_t c = 0; c < width; c++) sum[c] += own[(size_t)(i * width + c)];
  }
  return sums;
}

}  // namespace

std::vector<double> treeSum(MPI_Comm comm, const std::vector<double>& own, int64_t count,
                            int64_t width) {
  return treeOfChunks(comm, chunkSums(own, width), count, width);
}

std::vector<double> treeOfChunks(MPI_Comm comm, const std::vector<double>& partials, int64_t count,
                                 int64_t width) {
  int ranks = 1;
  MPI_Comm_size(comm, &ranks);
  const Layout layout(ranks, [&](int r) {
    const Range range = ownedRange(count, r, ranks);
    return Range{(range.lo + chunkSize - 1) / chunkSize, (range.hi + chunkSize - 1) / chunkSize};
  });
  std::vector<double> sums = gatherAll(comm, partials, layout, width);
  int64_t left = (int64_t)sums.size() / width;
  for (; left > 1; left = (left + 1) / 2) {
    for (int64_t pair = 0; pair < left / 2; pair++) {
      for (int64_t c = 0; c < width; c++) {
        sums[(size_t)(pair * width + c)] =
            sums[(size_t)(2 * pair * width + c)] + sums[(size_t)((2 * pair + 1) * width + c)];
      }
    }
    for (int64_t c = 0; left % 2 == 1 && c < width; c++) {
      sums[(size_t)(left / 2 * width + c)] = sums[(size_t)((left - 1) * width + c)];
    }
  }
  sums.resize((size_t)width, 0.0);
  return sums;
}

}  // namespace ligase
