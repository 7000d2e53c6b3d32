// Owns the division of bytes and the joining of checksums; see verify.h.
#include "input/verify.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "common/errors.h"
#include "common/progress.h"
#include "input/crc32c.h"
#include "input/shard.h"

namespace ligase {

namespace {

constexpr int64_t bufferBytes = 1 << 20;

/// An open file; closed at the end.
class Bytes {
 public:
  explicit Bytes(const std::string& path)
      : path_(path), file_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (file_ < 0) fail(errno == ENOENT ? Exit::noInput : Exit::ioError, std::strerror(errno));
  }
  ~Bytes() { close(file_); }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;

  void requireSize(int64_t bytes) const {
    struct stat status {};
    if (fstat(file_, &status) != 0) fail(Exit::ioError, std::strerror(errno));
    if (status.st_size == bytes) return;
    fail(Exit::badData,
         "size is " + std::to_string(status.st_size) + ", not " + std::to_string(bytes));
  }

  /// Checksum of the bytes [lo, hi).
  uint32_t checksum(int64_t lo, int64_t hi) const {
    std::vector<char> buffer((size_t)std::min(bufferBytes, hi - lo));
    uint32_t crc = 0;
    while (lo < hi) {
      const auto wanted = (size_t)std::min<int64_t>((int64_t)buffer.size(), hi - lo);
      const ssize_t read = pread(file_, buffer.data(), wanted, lo);
      if (read < 0 && errno == EINTR) continue;
      if (read <= 0) fail(Exit::ioError, "can't be read");
      crc = crc32c(crc, buffer.data(), (size_t)read);
      lo += read;
    }
    return crc;
  }

 private:
  [[noreturn]] void fail(Exit exit, const std::string& what) const {
    throw SolverError(exit, what, {{"uri", path_}});
  }

  const std::string path_;
  const int file_;
};

/// crc32c of each shard; every rank reads its part of the bytes of all. Collective.
std::vector<uint32_t> checksums(MPI_Comm comm, const Dataset& dataset) {
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  const std::vector<Shard>& shards = dataset.manifest.shards;
  int64_t all = 0;
  for (const Shard& shard : shards) all += shard.bytes;
  const int64_t lo = all / ranks * rank + all % ranks * rank / ranks;
  const int64_t hi = all / ranks * (rank + 1) + all % ranks * (rank + 1) / ranks;
  std::vector<uint32_t> sums(shards.size(), 0);
  collectively(comm, [&] {
    int64_t first = 0;
    for (size_t s = 0; s < shards.size(); first += shards[s++].bytes) {
      const int64_t from = std::max<int64_t>(0, lo - first);
      const int64_t to = std::min(shards[s].bytes, hi - first);
      if (from >= to) continue;
      const Bytes bytes(dataset.path(shards[s]));
      bytes.requireSize(shards[s].bytes);
      sums[s] = crc32cShift(bytes.checksum(from, to), (uint64_t)(shards[s].bytes - to));
      setFraction((double)(first + to - lo) / (double)(hi - lo) / 2);
    }
  });
  MPI_Allreduce(MPI_IN_PLACE, sums.data(), (int)sums.size(), MPI_UINT32_T, MPI_BXOR, comm);
  return sums;
}

}  // namespace

void verifyShards(MPI_Comm comm, const Dataset& dataset) {
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  const std::vector<Shard>& shards = dataset.manifest.shards;
  const std::vector<uint32_t> sums = checksums(comm, dataset);
  collectively(comm, [&] {
    for (size_t s = 0; s < shards.size(); s++) {
      if (sums[s] == shards[s].crc32c) continue;
      throw SolverError(Exit::badData, "bytes differ from their crc32c in the manifest",
                        {{"uri", dataset.path(shards[s])}});
    }
    // Only whole files are handed to the Parquet library.
    for (size_t s = (size_t)rank; s < shards.size(); s += (size_t)ranks) {
      verifyRowGroups(dataset.path(shards[s]), shards[s]);
    }
  });
}

std::string identify(MPI_Comm comm, const Dataset& dataset) {
  if (dataset.sealed) return dataset.digest;
  const uint32_t sum = checksums(comm, dataset)[0];
  return std::to_string(dataset.manifest.shards[0].bytes) + " " + std::to_string(sum);
}

}  // namespace ligase
