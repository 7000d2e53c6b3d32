// Owns who sends which items to whom; see fetch.h.
#include "algebra/fetch.h"

#include <algorithm>
#include <numeric>

namespace ligase {

namespace {

std::vector<int> offsetsOf(const std::vector<int>& counts) {
  std::vector<int> offsets(counts.size(), 0);
  std::partial_sum(counts.begin(), counts.end() - 1, offsets.begin() + 1);
  return offsets;
}

Range ownRange(MPI_Comm comm, int64_t count) {
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  return ownedRange(count, rank, ranks);
}

std::vector<int32_t> idsOf(const std::vector<int32_t>& nodeOfRow, Range rows) {
  return distinct({nodeOfRow.begin() + rows.lo, nodeOfRow.begin() + rows.hi});
}

}  // namespace

std::vector<int32_t> distinct(std::vector<int32_t> ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

Fetch::Fetch(MPI_Comm comm, int64_t count, const std::vector<int32_t>& ids) : comm_(comm) {
  int ranks = 1;
  MPI_Comm_size(comm, &ranks);
  const Range own = ownRange(comm, count);
  for (int r = 0; r < ranks; r++) {
    const Range range = ownedRange(count, r, ranks);
    const auto begin = std::lower_bound(ids.begin(), ids.end(), range.lo);
    wantCounts_.push_back((int)(std::lower_bound(begin, ids.end(), range.hi) - begin));
  }
  wantOffsets_ = offsetsOf(wantCounts_);
  sendCounts_.resize((size_t)ranks);
  MPI_Alltoall(wantCounts_.data(), 1, MPI_INT, sendCounts_.data(), 1, MPI_INT, comm);
  sendOffsets_ = offsetsOf(sendCounts_);
  places_.resize((size_t)(sendOffsets_.back() + sendCounts_.back()));
  MPI_Alltoallv(ids.data(), wantCounts_.data(), wantOffsets_.data(), MPI_INT32_T, places_.data(),
                sendCounts_.data(), sendOffsets_.data(), MPI_INT32_T, comm);
  for (int32_t& place : places_) place -= (int32_t)own.lo;
  int local = (int64_t)ids.size() == own.size() &&
                      (ids.empty() || (ids.front() == own.lo && ids.back() == own.hi - 1))
                  ? 1
                  : 0;
  MPI_Allreduce(MPI_IN_PLACE, &local, 1, MPI_INT, MPI_MIN, comm);
  local_ = local == 1;
}

template <class T>
const T* Fetch::get(const T* own, int64_t width, Buffers<T>& buffers) {
  if (local_) return own;
  buffers.sent.resize(places_.size() * (size_t)width);
  for (size_t i = 0; i < places_.size(); i++) {
    std::copy_n(own + places_[i] * width, width, buffers.sent.data() + (int64_t)i * width);
  }
  buffers.wanted.resize((size_t)((wantOffsets_.back() + wantCounts_.back()) * width));
  MPI_Datatype item = MPI_DATATYPE_NULL;
  MPI_Type_contiguous((int)width, mpiType<T>(), &item);
  MPI_Type_commit(&item);
  MPI_Alltoallv(buffers.sent.data(), sendCounts_.data(), sendOffsets_.data(), item,
                buffers.wanted.data(), wantCounts_.data(), wantOffsets_.data(), item, comm_);
  MPI_Type_free(&item);
  return buffers.wanted.data();
}

template const double* Fetch::get(const double*, int64_t, Buffers<double>&);
template const int32_t* Fetch::get(const int32_t*, int64_t, Buffers<int32_t>&);

RowView::RowView(MPI_Comm comm, const std::vector<int32_t>& nodeOfRow, int64_t nodes)
    : RowView(comm, nodeOfRow, nodes, ownRange(comm, (int64_t)nodeOfRow.size()),
              idsOf(nodeOfRow, ownRange(comm, (int64_t)nodeOfRow.size()))) {}

RowView::RowView(MPI_Comm comm, const std::vector<int32_t>& nodeOfRow, int64_t nodes, Range rows,
                 const std::vector<int32_t>& ids)
    : range(rows), fetch_(comm, nodes, ids) {
  for (int64_t row = rows.lo; row < rows.hi; row++) {
    const auto at = std::lower_bound(ids.begin(), ids.end(), nodeOfRow[(size_t)row]);
    slots_.push_back((int32_t)(at - ids.begin()));
  }
}

}  // namespace ligase
