// Owns the format of a checkpoint and its parallel input and output; see checkpoint.h.
// Format: a JSON line, padded to 4,096 bytes; then node of each row, multiplicity of each node,
// ids and distances of the neighbours, as little-endian numbers.
#include "checkpoint/checkpoint.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/errors.h"
#include "common/gather.h"
#include "common/sha256.h"
#include "input/crc32c.h"
#include "input/verify.h"

namespace ligase {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

constexpr int64_t headerBytes = 4096;
constexpr const char* fileName = "neighbors.checkpoint";

[[noreturn]] void bad(const std::string& what, const std::string& path) {
  throw SolverError(Exit::badCheckpoint, what, {{"uri", path}});
}

/// Lengths that everything else follows from.
struct Sizes {
  int64_t rows = 0;
  int64_t nodes = 0;
  int64_t dimensions = 0;
  int64_t k = 0;
  int64_t bytes() const { return rows * 4 + nodes * (4 + 12 * k); }
};

/// A rank's part of one array of the file.
struct Slice {
  /// Bytes from the end of the header on.
  int64_t offset;
  /// Items of `width` bytes.
  Range items;
  int64_t width;
  void* data;

  int64_t size() const { return items.size() * width; }
  int64_t begin() const { return offset + items.lo * width; }
};

/// The four arrays, of which `data` are this rank's parts.
std::array<Slice, 4> slices(const Sizes& sizes, int rank, int ranks,
                            const std::array<void*, 4>& data) {
  const Range rows = searchRange(sizes.rows, rank, ranks);
  const Range nodes = searchRange(sizes.nodes, rank, ranks);
  const int64_t first = sizes.rows * 4;
  const int64_t second = first + sizes.nodes * 4;
  const int64_t third = second + sizes.nodes * sizes.k * 4;
  return {{{0, rows, 4, data[0]},
           {first, nodes, 4, data[1]},
           {second, nodes, 4 * sizes.k, data[2]},
           {third, nodes, 8 * sizes.k, data[3]}}};
}

/// What this rank's parts add to the checksum of everything behind the header.
uint32_t checksum(const std::array<Slice, 4>& parts, const Sizes& sizes) {
  uint32_t sum = 0;
  for (const Slice& part : parts) {
    const int64_t after = sizes.bytes() - part.begin() - part.size();
    if (part.size() == 0) continue;
    sum ^= crc32cShift(crc32c(0, part.data, (size_t)part.size()), (uint64_t)after);
  }
  return sum;
}

uint32_t joined(MPI_Comm comm, uint32_t sum) {
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_UINT32_T, MPI_BXOR, comm);
  return sum;
}

/// A file open on all ranks.
class SharedFile {
 public:
  SharedFile(MPI_Comm comm, const std::string& path, int mode) : path_(path) {
    MPI_Info hints = MPI_INFO_NULL;
    MPI_Info_create(&hints);
    // Each rank writes just its bytes.
    MPI_Info_set(hints, "romio_ds_write", "disable");
    MPI_Info_set(hints, "romio_cb_write", "disable");
    const int status = MPI_File_open(comm, path.c_str(), mode, hints, &file_);
    MPI_Info_free(&hints);
    check(status);
  }
  // No destructor: closing is collective, and a rank that fails alone must not wait for the others.
  SharedFile(const SharedFile&) = delete;
  SharedFile& operator=(const SharedFile&) = delete;

  void write(const Slice& part) {
    const ItemType<uint8_t> item(part.width);
    check(MPI_File_write_at_all(file_, headerBytes + part.begin(), part.data,
                                (int)part.items.size(), item.get(), MPI_STATUS_IGNORE));
  }

  void read(const Slice& part) {
    const ItemType<uint8_t> item(part.width);
    check(MPI_File_read_at_all(file_, headerBytes + part.begin(), part.data,
                               (int)part.items.size(), item.get(), MPI_STATUS_IGNORE));
  }

  /// One rank alone.
  void writeHeader(const std::string& text) {
    check(MPI_File_write_at(file_, 0, text.data(), (int)text.size(), MPI_CHAR,
                            MPI_STATUS_IGNORE));
  }

  void close(bool written) {
    if (written) check(MPI_File_sync(file_));
    check(MPI_File_close(&file_));
  }

 private:
  void check(int status) const {
    if (status == MPI_SUCCESS) return;
    std::array<char, MPI_MAX_ERROR_STRING> text{};
    int length = 0;
    MPI_Error_string(status, text.data(), &length);
    throw SolverError(Exit::ioError, std::string("checkpoint: ") + text.data(), {{"uri", path_}});
  }

  const std::string path_;
  MPI_File file_ = MPI_FILE_NULL;
};

std::string readHeader(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text((size_t)headerBytes, '\0');
  file.read(text.data(), headerBytes);
  if (file.gcount() != headerBytes) bad("is damaged: no header", path);
  return text;
}

/// Lengths and checksum that the header promises. @throws SolverError BAD_CHECKPOINT.
std::array<int64_t, 5> parseHeader(const std::string& path, const std::string& key) {
  try {
    const Json header = Json::parse(readHeader(path));
    if (header.at("checkpoint") != 1) bad("has another format", path);
    if (header.at("key") != key) bad("is that of another set, setting or solver", path);
    const Sizes sizes{header.at("rows"), header.at("nodes"), header.at("dimensions"),
                      header.at("k")};
    if ((int64_t)fs::file_size(path) != headerBytes + sizes.bytes()) {
      bad("is damaged: another size", path);
    }
    return {sizes.rows, sizes.nodes, sizes.dimensions, sizes.k,
            header.at("crc32c").get<int64_t>()};
  } catch (const Json::exception& error) {
    bad(std::string("is damaged: ") + error.what(), path);
  } catch (const fs::filesystem_error& error) {
    bad(std::string("can't be read: ") + error.what(), path);
  }
}

void syncFolder(const std::string& path) {
  const int folder = open(fs::path(path).parent_path().c_str(), O_RDONLY | O_CLOEXEC);
  if (folder < 0) return;
  fsync(folder);
  close(folder);
}

std::string ownBinary() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

}  // namespace

std::string checkpointKey(MPI_Comm comm, const Dataset& dataset, const std::string& metric,
                          int64_t k) {
  const std::string set = identify(comm, dataset);
  int rank = 0;
  MPI_Comm_rank(comm, &rank);
  std::string key(64, '0');
  collectively(comm, [&] {
    if (rank != 0) return;
    const Json identity = {{"checkpoint", 1},
                           {"solver", sha256Hex(ownBinary())},
                           {"set", set},
                           {"metric", metric},
                           {"k", k}};
    key = sha256Hex(identity.dump());
  });
  MPI_Bcast(key.data(), (int)key.size(), MPI_CHAR, 0, comm);
  return key;
}

Checkpoint::Checkpoint(MPI_Comm comm, const std::string& folder, const std::string& key)
    : comm_(comm), path_((fs::path(folder) / fileName).string()), key_(key) {
  MPI_Comm_rank(comm_, &rank_);
  MPI_Comm_size(comm_, &ranks_);
  collectively(comm_, [&] {
    if (rank_ != 0) return;
    std::error_code error;
    fs::create_directories(folder, error);
    if (!fs::is_directory(folder)) {
      throw SolverError(Exit::cannotCreate, "the work folder can't be made: " + error.message(),
                        {{"uri", folder}});
    }
  });
}

bool Checkpoint::restore(Nodes& nodes, Neighbors& neighbors) const {
  std::array<int64_t, 5> header{};
  int found = 0;
  collectively(comm_, [&] {
    if (rank_ != 0 || !fs::exists(path_)) return;
    header = parseHeader(path_, key_);
    found = 1;
  });
  MPI_Bcast(&found, 1, MPI_INT, 0, comm_);
  if (found == 0) return false;
  MPI_Bcast(header.data(), (int)header.size(), MPI_INT64_T, 0, comm_);
  const Sizes sizes{header[0], header[1], header[2], header[3]};
  const Range rows = searchRange(sizes.rows, rank_, ranks_);
  const Range range = searchRange(sizes.nodes, rank_, ranks_);
  std::vector<int32_t> ofRow((size_t)rows.size());
  std::vector<int32_t> multiplicity((size_t)range.size());
  neighbors = {range, sizes.k, std::vector<int32_t>((size_t)(range.size() * sizes.k)),
               std::vector<double>((size_t)(range.size() * sizes.k))};
  const std::array<Slice, 4> parts =
      slices(sizes, rank_, ranks_,
             {ofRow.data(), multiplicity.data(), neighbors.ids.data(), neighbors.distances.data()});
  SharedFile file(comm_, path_, MPI_MODE_RDONLY);
  for (const Slice& part : parts) file.read(part);
  file.close(false);
  const uint32_t sum = joined(comm_, checksum(parts, sizes));
  collectively(comm_, [&] {
    if (sum != (uint32_t)header[4]) bad("is damaged: bytes differ from their checksum", path_);
  });
  const auto all = [&](const std::vector<int32_t>& own, int64_t count) {
    const Layout layout(ranks_, [&](int r) { return searchRange(count, r, ranks_); });
    return gatherAll(comm_, own, layout, 1);
  };
  nodes = {range, {}, sizes.dimensions, all(ofRow, sizes.rows), all(multiplicity, sizes.nodes)};
  return true;
}

void Checkpoint::save(const Nodes& nodes, const Neighbors& neighbors) const {
  const Sizes sizes{(int64_t)nodes.ofRow.size(), nodes.count(), nodes.dimensions, neighbors.k};
  const Range rows = searchRange(sizes.rows, rank_, ranks_);
  const Range range = searchRange(sizes.nodes, rank_, ranks_);
  // Only read: MPI's interface takes what it writes as const, a slice serves both directions.
  const auto data = [](const auto* values) { return const_cast<void*>((const void*)values); };
  const std::array<Slice, 4> parts =
      slices(sizes, rank_, ranks_,
             {data(nodes.ofRow.data() + rows.lo), data(nodes.multiplicity.data() + range.lo),
              data(neighbors.ids.data()), data(neighbors.distances.data())});
  const uint32_t sum = joined(comm_, checksum(parts, sizes));
  const std::string partial = path_ + ".partial";
  collectively(comm_, [&] {
    if (rank_ == 0 && unlink(partial.c_str()) != 0 && errno != ENOENT) {
      throw SolverError(Exit::cannotCreate, std::strerror(errno), {{"uri", partial}});
    }
  });
  SharedFile file(comm_, partial, MPI_MODE_CREATE | MPI_MODE_WRONLY);
  for (const Slice& part : parts) file.write(part);
  if (rank_ == 0) {
    const Json header = {{"checkpoint", 1},       {"key", key_},
                         {"rows", sizes.rows},    {"nodes", sizes.nodes},
                         {"dimensions", sizes.dimensions}, {"k", sizes.k},
                         {"crc32c", sum}};
    std::string text = header.dump();
    text.resize((size_t)headerBytes - 1, ' ');
    file.writeHeader(text + "\n");
  }
  file.close(true);
  collectively(comm_, [&] {
    if (rank_ != 0) return;
    if (std::rename(partial.c_str(), path_.c_str()) != 0) {
      throw SolverError(Exit::ioError, std::strerror(errno), {{"uri", path_}});
    }
    syncFolder(path_);
  });
}

void Checkpoint::remove() const {
  if (rank_ == 0) unlink(path_.c_str());
}

}  // namespace ligase
