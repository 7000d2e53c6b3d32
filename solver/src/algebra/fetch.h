// Owns the exchange of node values between ranks.
// Invariants: what is fetched are copies, so no sum and no rounding happens here; ids are ascending
// and distinct; every rank takes part in every call.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <vector>

#include "common/gather.h"
#include "common/ranges.h"

namespace ligase {

/// Values of the nodes that a rank wants, from the ranks that own them.
class Fetch {
 public:
  /// Agrees on who sends what. Collective.
  /// @param count - items of all ranks, dealt by ownedRange.
  /// @param ids - wanted items, ascending and distinct.
  Fetch(MPI_Comm comm, int64_t count, const std::vector<int32_t>& ids);

  /// Values of the wanted items in the order of their ids, [wanted, width]. Collective.
  /// @param own - [owned items, width], row-major.
  /// @returns `own` itself when a rank wants just what it has, else a buffer of this object; valid
  /// until the next call.
  const double* values(const double* own, int64_t width) { return get(own, width, doubles_); }
  const int32_t* values(const int32_t* own, int64_t width) { return get(own, width, integers_); }

 private:
  template <class T>
  struct Buffers {
    std::vector<T> sent;
    std::vector<T> wanted;
  };
  template <class T>
  const T* get(const T* own, int64_t width, Buffers<T>& buffers);

  MPI_Comm comm_;
  /// Every rank wants exactly its own items: nothing travels.
  bool local_ = false;
  std::vector<int> sendCounts_, sendOffsets_, wantCounts_, wantOffsets_;
  /// Places, within the owned items, of what the others want from here.
  std::vector<int32_t> places_;
  Buffers<double> doubles_;
  Buffers<int32_t> integers_;
};

/// Values of nodes as values of the rows that a rank owns.
class RowView {
 public:
  /// @param nodeOfRow - of all rows. Collective.
  RowView(MPI_Comm comm, const std::vector<int32_t>& nodeOfRow, int64_t nodes);

  /// [owned rows, width] from [owned nodes, width]. Collective.
  template <class T>
  std::vector<T> rows(const std::vector<T>& ofNodes, int64_t width) {
    const T* from = fetch_.values(ofNodes.data(), width);
    std::vector<T> values;
    values.reserve(slots_.size() * (size_t)width);
    for (const int32_t slot : slots_) {
      values.insert(values.end(), from + slot * width, from + (slot + 1) * width);
    }
    return values;
  }

  /// ownedRange of the rows.
  const Range range;

 private:
  RowView(MPI_Comm comm, const std::vector<int32_t>& nodeOfRow, int64_t nodes, Range rows,
          const std::vector<int32_t>& ids);

  std::vector<int32_t> slots_;
  Fetch fetch_;
};

/// Ascending and distinct. Not collective.
std::vector<int32_t> distinct(std::vector<int32_t> ids);

}  // namespace ligase
