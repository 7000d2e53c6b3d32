// Owns the use of the Parquet library; see shard.h. The column is read by levels and values, which
// are the same for FixedSizeList and List, nullable or not.
#include "input/shard.h"

#include <arrow/io/file.h>
#include <parquet/column_reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <numeric>

#include "common/errors.h"
#include "input/crc32c.h"

namespace ligase {

using Json = nlohmann::ordered_json;

namespace {

constexpr const char* columnName = "embedding";
/// Values decoded at a time.
constexpr int64_t batchValues = 1 << 16;

[[noreturn]] void badData(const std::string& what, const std::string& path) {
  throw SolverError(Exit::badData, what, {{"uri", path}});
}

std::unique_ptr<parquet::ParquetFileReader> open(const std::string& path) {
  if (!std::filesystem::exists(path)) {
    throw SolverError(Exit::noInput, "no such file", {{"uri", path}});
  }
  auto file = arrow::io::ReadableFile::Open(path);
  if (!file.ok()) throw SolverError(Exit::ioError, file.status().ToString(), {{"uri", path}});
  return parquet::ParquetFileReader::Open(*file);
}

/// Index of the one leaf under `embedding`, a list of float32.
int embeddingColumn(const parquet::ParquetFileReader& reader, const std::string& path) {
  const parquet::SchemaDescriptor* schema = reader.metadata()->schema();
  int found = -1;
  for (int i = 0; i < schema->num_columns(); i++) {
    if (schema->Column(i)->path()->ToDotVector().front() != columnName) continue;
    if (found >= 0) badData("column embedding has several fields", path);
    found = i;
  }
  if (found < 0) badData("no column embedding", path);
  const parquet::ColumnDescriptor* column = schema->Column(found);
  const bool floats = column->physical_type() == parquet::Type::FLOAT;
  if (!floats || column->max_repetition_level() != 1) {
    badData("column embedding isn't a list of float32", path);
  }
  return found;
}

/// Runs `work` and gives what the Parquet library throws a code and a place.
template <class Work>
decltype(auto) guarded(const std::string& path, Work work) {
  try {
    return work();
  } catch (const parquet::ParquetException& error) {
    badData(std::string("not readable as Parquet: ") + error.what(), path);
  }
}

void checkRowGroups(const parquet::ParquetFileReader& reader, const Shard& shard,
                    const std::string& path) {
  std::vector<int64_t> rows;
  for (int g = 0; g < reader.metadata()->num_row_groups(); g++) {
    rows.push_back(reader.metadata()->RowGroup(g)->num_rows());
  }
  if (rows != shard.rowGroups) badData("row groups differ from the manifest", path);
}

/// Takes levels and values in their order, checks each row and stores it.
class RowSink {
 public:
  RowSink(std::string path, int64_t dimensions, int64_t firstRow, float* out)
      : path_(std::move(path)), dimensions_(dimensions), row_(firstRow - 1), out_(out) {}

  /// Appends one row group's column. @param rows - as the row group's metadata says.
  void append(parquet::FloatReader& column, int64_t rows) {
    const int16_t present = column.descr()->max_definition_level();
    const int64_t end = row_ + rows;
    inRow_ = dimensions_;
    while (column.HasNext()) {
      int64_t values = 0;
      const int64_t levels = column.ReadBatch(batchValues, definition_.data(), repetition_.data(),
                                              values_.data(), &values);
      const float* value = values_.data();
      for (int64_t i = 0; i < levels; i++) {
        if (repetition_[i] == 0) startRow(end);
        if (definition_[i] != present) fail("row has a null or empty embedding");
        if (++inRow_ > dimensions_) fail("row has more than " + expected());
        if (!std::isfinite(*value)) fail("row has a value that isn't finite");
        *out_++ = *value++;
      }
    }
    if (row_ != end) fail("rows are missing after this one");
    if (inRow_ != dimensions_) fail("row has fewer than " + expected());
  }

 private:
  void startRow(int64_t end) {
    if (inRow_ != dimensions_) fail("row has fewer than " + expected());
    inRow_ = 0;
    if (++row_ > end) fail("row is one more than the row group says");
  }

  std::string expected() const { return std::to_string(dimensions_) + " values"; }

  [[noreturn]] void fail(const std::string& what) const {
    throw SolverError(Exit::badData, what, {{"uri", path_}, {"row", row_}});
  }

  const std::string path_;
  const int64_t dimensions_;
  /// The row being filled, from 0 in the file; out_ never passes the rows that were promised.
  int64_t row_;
  float* out_;
  /// Values of that row so far; <= dimensions_.
  int64_t inRow_ = 0;
  std::vector<int16_t> definition_ = std::vector<int16_t>(batchValues);
  std::vector<int16_t> repetition_ = std::vector<int16_t>(batchValues);
  std::vector<float> values_ = std::vector<float>(batchValues);
};

std::shared_ptr<parquet::FloatReader> floats(parquet::ParquetFileReader& reader, int group,
                                             int column) {
  return std::static_pointer_cast<parquet::FloatReader>(reader.RowGroup(group)->Column(column));
}

/// Length of the first row: levels up to the second one that starts a row.
int64_t firstRowLength(parquet::FloatReader& column) {
  std::vector<int16_t> definition(batchValues);
  std::vector<int16_t> repetition(batchValues);
  std::vector<float> values(batchValues);
  int64_t length = 0;
  while (column.HasNext()) {
    int64_t read = 0;
    const int64_t levels = column.ReadBatch(batchValues, definition.data(), repetition.data(),
                                            values.data(), &read);
    for (int64_t i = 0; i < levels; i++) {
      if (repetition[i] == 0 && length > 0) return length;
      length++;
    }
  }
  return length;
}

}  // namespace

Manifest describeFile(const std::string& path) {
  return guarded(path, [&] {
    const auto reader = open(path);
    const int column = embeddingColumn(*reader, path);
    Manifest manifest;
    manifest.samples.push_back(std::filesystem::path(path).stem().string());
    Shard shard;
    shard.file = path;
    for (int g = 0; g < reader->metadata()->num_row_groups(); g++) {
      const int64_t rows = reader->metadata()->RowGroup(g)->num_rows();
      if (rows > 0 && shard.rows == 0) {
        manifest.dimensions = firstRowLength(*floats(*reader, g, column));
      }
      shard.rowGroups.push_back(rows);
      shard.rows += rows;
    }
    manifest.rows = shard.rows;
    manifest.shards.push_back(shard);
    return manifest;
  });
}

void verifyFile(const std::string& path, const Shard& shard) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                       std::fclose);
  if (!file) {
    const Exit exit = errno == ENOENT ? Exit::noInput : Exit::ioError;
    throw SolverError(exit, std::strerror(errno), {{"uri", path}});
  }
  std::vector<char> buffer(1 << 20);
  int64_t bytes = 0;
  uint32_t crc = 0;
  size_t read = 0;
  while ((read = std::fread(buffer.data(), 1, buffer.size(), file.get())) > 0) {
    crc = crc32c(crc, buffer.data(), read);
    bytes += (int64_t)read;
  }
  if (std::ferror(file.get()) != 0) {
    throw SolverError(Exit::ioError, "can't be read", {{"uri", path}});
  }
  if (bytes != shard.bytes) {
    badData("size is " + std::to_string(bytes) + ", not " + std::to_string(shard.bytes), path);
  }
  if (crc != shard.crc32c) badData("bytes differ from their crc32c in the manifest", path);
  guarded(path, [&] { checkRowGroups(*open(path), shard, path); });
}

void readRows(const std::string& path, const Shard& shard, int64_t dimensions, size_t groupLo,
              size_t groupHi, float* out) {
  guarded(path, [&] {
    const auto reader = open(path);
    const int column = embeddingColumn(*reader, path);
    const auto group = shard.rowGroups.begin();
    const int64_t firstRow = std::accumulate(group, group + (int64_t)groupLo, int64_t{0});
    RowSink sink(path, dimensions, firstRow, out);
    for (size_t g = groupLo; g < groupHi; g++) {
      sink.append(*floats(*reader, (int)g, column), shard.rowGroups[g]);
    }
  });
}

}  // namespace ligase
