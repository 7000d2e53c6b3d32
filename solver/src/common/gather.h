// Owns the two ways in which ranks combine numbers. Invariant: no floating-point sum is left to
// MPI, whose order depends on the number of ranks.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <type_traits>
#include <vector>

#include "common/ranges.h"

namespace ligase {

/// The MPI type of one value.
template <class T>
MPI_Datatype mpiType() {
  static_assert(std::is_same_v<T, double> || std::is_same_v<T, int32_t>);
  return std::is_same_v<T, double> ? MPI_DOUBLE : MPI_INT32_T;
}

/// Everyone's part in the order of the ranks. Collective.
/// @param own - [own items, width], row-major.
/// @param layout - items of all ranks.
/// @returns [all items, width]; the caller owns it.
template <class T>
std::vector<T> gatherAll(MPI_Comm comm, const std::vector<T>& own, const Layout& layout,
                         int64_t width) {
  const int64_t items = layout.offsets.back() + (int64_t)layout.counts.back();
  std::vector<T> all((size_t)(items * width));
  MPI_Datatype item = MPI_DATATYPE_NULL;
  MPI_Type_contiguous((int)width, mpiType<T>(), &item);
  MPI_Type_commit(&item);
  MPI_Allgatherv(own.data(), (int)(own.size() / (size_t)width), item, all.data(),
                 layout.counts.data(), layout.offsets.data(), item, comm);
  MPI_Type_free(&item);
  return all;
}

/// Sum over all nodes, for each of `width` columns: one accumulator per chunk of 4,096 nodes, then
/// a pairwise tree over the chunk index. The same bits for any number of ranks. Collective.
/// @param own - [owned nodes, width], row-major, of ownedRange(count).
std::vector<double> treeSum(MPI_Comm comm, const std::vector<double>& own, int64_t count,
                            int64_t width);

}  // namespace ligase
