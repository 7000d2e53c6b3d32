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
  if constexpr (std::is_same_v<T, double>) return MPI_DOUBLE;
  else if constexpr (std::is_same_v<T, float>) return MPI_FLOAT;
  else if constexpr (std::is_same_v<T, int32_t>) return MPI_INT32_T;
  else if constexpr (std::is_same_v<T, uint32_t>) return MPI_UINT32_T;
  else if constexpr (std::is_same_v<T, int64_t>) return MPI_INT64_T;
  else if constexpr (std::is_same_v<T, uint64_t>) return MPI_UINT64_T;
  else {
    static_assert(std::is_same_v<T, uint8_t>);
    return MPI_UINT8_T;
  }
}

/// The MPI type of `width` values in a row, for counts that would pass 2^31 as single values.
template <class T>
class ItemType {
 public:
  explicit ItemType(int64_t width) {
    MPI_Type_contiguous((int)width, mpiType<T>(), &type_);
    MPI_Type_commit(&type_);
  }
  ~ItemType() { MPI_Type_free(&type_); }
  ItemType(const ItemType&) = delete;
  ItemType& operator=(const ItemType&) = delete;
  MPI_Datatype get() const { return type_; }

 private:
  MPI_Datatype type_ = MPI_DATATYPE_NULL;
};

/// Everyone's part in the order of the ranks. Collective.
/// @param own - [own items, width], row-major.
/// @param layout - items of all ranks.
/// @returns [all items, width]; the caller owns it.
template <class T>
std::vector<T> gatherAll(MPI_Comm comm, const std::vector<T>& own, const Layout& layout,
                         int64_t width) {
  const int64_t items = layout.offsets.back() + (int64_t)layout.counts.back();
  std::vector<T> all((size_t)(items * width));
  const ItemType<T> item(width);
  MPI_Allgatherv(own.data(), (int)(own.size() / (size_t)width), item.get(), all.data(),
                 layout.counts.data(), layout.offsets.data(), item.get(), comm);
  return all;
}

/// Sum over all nodes, for each of `width` columns: one accumulator per chunk of 4,096 nodes, then
/// a pairwise tree over the chunk index. The same bits for any number of ranks. Collective.
/// @param own - [owned nodes, width], row-major, of ownedRange(count).
std::vector<double> treeSum(MPI_Comm comm, const std::vector<double>& own, int64_t count,
                            int64_t width);

/// The same from the partial sums of each owned chunk, however the caller made them. Collective.
/// @param partials - [owned chunks, width], row-major.
std::vector<double> treeOfChunks(MPI_Comm comm, const std::vector<double>& partials, int64_t count,
                                 int64_t width);

}  // namespace ligase
