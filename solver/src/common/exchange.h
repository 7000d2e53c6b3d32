// Owns the exchange of items between all ranks and the way of answers back.
// Invariants: items come in the order of (sending rank, sender's order); answers come back in the
// order of the items they answer.
#pragma once

#include <mpi.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "common/gather.h"

namespace ligase {

class Exchange {
 public:
  /// Item i of this rank goes to rank destination[i]. Collective.
  Exchange(MPI_Comm comm, const std::vector<int>& destination) : comm_(comm) {
    int ranks = 1;
    MPI_Comm_size(comm, &ranks);
    sendCounts_.assign((size_t)ranks, 0);
    receiveCounts_.assign((size_t)ranks, 0);
    for (const int rank : destination) sendCounts_[(size_t)rank]++;
    MPI_Alltoall(sendCounts_.data(), 1, MPI_INT, receiveCounts_.data(), 1, MPI_INT, comm);
    sendOffsets_ = offsets(sendCounts_);
    receiveOffsets_ = offsets(receiveCounts_);
    std::vector<int> at = sendOffsets_;
    for (const int rank : destination) place_.push_back(at[(size_t)rank]++);
  }

  /// Items that came to this rank.
  int64_t received() const { return receiveOffsets_.back() + (int64_t)receiveCounts_.back(); }

  /// Sends [own items, width], of which item(i) points at the first value of item i. Collective.
  /// @returns [received, width], row-major; the caller owns it.
  template <class T, class Item>
  std::vector<T> forward(int64_t width, Item item) const {
    std::vector<T> packed(place_.size() * (size_t)width);
    for (size_t i = 0; i < place_.size(); i++) {
      std::copy_n(item(i), width, packed.data() + place_[i] * width);
    }
    std::vector<T> all((size_t)(received() * width));
    const ItemType<T> type(width);
    MPI_Alltoallv(packed.data(), sendCounts_.data(), sendOffsets_.data(), type.get(), all.data(),
                  receiveCounts_.data(), receiveOffsets_.data(), type.get(), comm_);
    return all;
  }

  /// Sends one answer for each received item back. Collective.
  /// @returns the answer to each own item.
  template <class T>
  std::vector<T> back(const std::vector<T>& answers) const {
    std::vector<T> packed(place_.size());
    const ItemType<T> type(1);
    MPI_Alltoallv(answers.data(), receiveCounts_.data(), receiveOffsets_.data(), type.get(),
                  packed.data(), sendCounts_.data(), sendOffsets_.data(), type.get(), comm_);
    std::vector<T> own(place_.size());
    for (size_t i = 0; i < place_.size(); i++) own[i] = packed[(size_t)place_[i]];
    return own;
  }

 private:
  static std::vector<int> offsets(const std::vector<int>& counts) {
    std::vector<int> result(counts.size());
    std::exclusive_scan(counts.begin(), counts.end(), result.begin(), 0);
    return result;
  }

  MPI_Comm comm_;
  std::vector<int> sendCounts_;
  std::vector<int> sendOffsets_;
  std::vector<int> receiveCounts_;
  std::vector<int> receiveOffsets_;
  /// Place of each own item among the packed ones.
  std::vector<int> place_;
};

}  // namespace ligase
