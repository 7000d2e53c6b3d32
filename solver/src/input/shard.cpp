// Owns the use of the Parquet library; see shard.h. Pages of the plain kind are decoded as they are
// (pages.h); all else is read by levels and values, which are the same for FixedSizeList and List,
// nullable or not. Values go straight to their place and a batch is checked as a whole; only one
// that isn't clean is looked at value by value, to name the row. Pages come through a small buffer,
// so that a large row group costs no memory.
#include "input/shard.h"

#include <arrow/io/file.h>
#include <parquet/column_reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>

#include "common/errors.h"
#include "input/pages.h"

namespace ligase {

using Json = nlohmann::ordered_json;

namespace {

constexpr const char* columnName = "embedding";
/// Values decoded at a time.
constexpr int64_t batchValues = 1 << 16;
/// Bytes read at a time.
constexpr int64_t bufferBytes = 1 << 20;

[[noreturn]] void badData(const std::string& what, const std::string& path) {
  throw SolverError(Exit::badData, what, {{"uri", path}});
}

std::unique_ptr<parquet::ParquetFileReader> open(const std::string& path) {
  if (!std::filesystem::exists(path)) {
    throw SolverError(Exit::noInput, "no such file", {{"uri", path}});
  }
  auto file = arrow::io::ReadableFile::Open(path);
  if (!file.ok()) throw SolverError(Exit::ioError, file.status().ToString(), {{"uri", path}});
  parquet::ReaderProperties properties = parquet::default_reader_properties();
  properties.enable_buffered_stream();
  properties.set_buffer_size(bufferBytes);
  return parquet::ParquetFileReader::Open(*file, properties);
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
  RowSink(std::string path, int64_t dimensions)
      : path_(std::move(path)), dimensions_(dimensions) {}

  /// Takes rows [lo, hi) of one row group. What follows them is looked at if they are its last
  /// ones; what stands before is another call's.
  /// @param firstRow - of the row group, from 0 in the file.
  void append(parquet::FloatReader& column, int64_t firstRow, int64_t rows, Range part,
              float* out) {
    const int64_t before = part.lo * dimensions_;
    if (before > 0 && column.Skip(before) != before) fail("rows are missing", firstRow + part.lo);
    out_ = out;
    row_ = firstRow + part.lo - 1;
    end_ = row_ + part.size();
    inRow_ = dimensions_;
    present_ = column.descr()->max_definition_level();
    for (int64_t left = part.size() * dimensions_; left > 0 && column.HasNext();) {
      left -= takeBatch(column, std::min(left, batchValues));
    }
    if (row_ != end_) fail("rows are missing after this one", row_);
    if (inRow_ != dimensions_) fail("row has fewer than " + expected(), row_);
    if (part.hi == rows && column.HasNext()) refuseMore(column);
  }

 private:
  int64_t takeBatch(parquet::FloatReader& column, int64_t wanted) {
    int64_t values = 0;
    const int64_t levels = column.ReadBatch(wanted, definition_.data(), repetition_.data(), out_,
                                            &values);
    if (values != levels || !isClean(levels) || !allFinite(out_, values)) {
      findFault(levels);
    }
    row_ += (inRow_ + levels - 1) / dimensions_;
    inRow_ = (inRow_ + levels - 1) % dimensions_ + 1;
    out_ += values;
    return levels;
  }

  /// Whether rows start where they must and every value is there.
  bool isClean(int64_t levels) const {
    int faults = 0;
    for (int64_t i = 0; i < levels; i++) faults |= definition_[(size_t)i] ^ present_;
    int64_t inRow = inRow_;
    for (int64_t i = 0; i < levels;) {
      if (inRow == dimensions_) {
        faults |= repetition_[(size_t)i++];
        inRow = 1;
      }
      const int64_t stop = std::min(levels, i + dimensions_ - inRow);
      inRow += stop - i;
      for (; i < stop; i++) faults |= repetition_[(size_t)i] ^ 1;
    }
    return faults == 0;
  }

  /// Throws what is wrong with the batch.
  [[noreturn]] void findFault(int64_t levels) {
    const float* value = out_;
    for (int64_t i = 0; i < levels; i++) {
      if (repetition_[(size_t)i] == 0) {
        if (inRow_ != dimensions_) fail("row has fewer than " + expected(), row_);
        inRow_ = 0;
        row_++;
      }
      if (definition_[(size_t)i] != present_) fail("row has a null or empty embedding", row_);
      if (++inRow_ > dimensions_) fail("row has more than " + expected(), row_);
      if (!std::isfinite(*value++)) {
        throw SolverError(Exit::notFinite, "row has a value that isn't finite",
                          {{"uri", path_}, {"row", row_}});
      }
    }
    fail("row is damaged", row_);
  }

  /// Throws what is wrong with values behind the last row.
  [[noreturn]] void refuseMore(parquet::FloatReader& column) {
    int64_t values = 0;
    float value = 0;
    column.ReadBatch(1, definition_.data(), repetition_.data(), &value, &values);
    if (repetition_[0] != 0) fail("row has more than " + expected(), row_);
    fail("row is one more than the row group says", row_ + 1);
  }

  std::string expected() const { return std::to_string(dimensions_) + " values"; }

  [[noreturn]] void fail(const std::string& what, int64_t row) const {
    throw SolverError(Exit::badData, what, {{"uri", path_}, {"row", row}});
  }

  const std::string path_;
  const int64_t dimensions_;
  float* out_ = nullptr;
  /// The row being filled and the last one wanted, from 0 in the file.
  int64_t row_ = -1;
  int64_t end_ = -1;
  /// Values of that row so far; <= dimensions_.
  int64_t inRow_ = 0;
  int16_t present_ = 0;
  std::vector<int16_t> definition_ = std::vector<int16_t>(batchValues);
  std::vector<int16_t> repetition_ = std::vector<int16_t>(batchValues);
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
    shard.bytes = (int64_t)std::filesystem::file_size(path);
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

void verifyRowGroups(const std::string& path, const Shard& shard) {
  guarded(path, [&] { checkRowGroups(*open(path), shard, path); });
}

void readRows(const std::string& path, const Shard& shard, int64_t dimensions, Range rows,
              float* out) {
  guarded(path, [&] {
    const auto reader = open(path);
    const int column = embeddingColumn(*reader, path);
    RowSink sink(path, dimensions);
    int64_t first = 0;
    for (size_t g = 0; g < shard.rowGroups.size(); g++) {
      const int64_t count = shard.rowGroups[g];
      const int64_t lo = std::max(rows.lo, first);
      const int64_t hi = std::min(rows.hi, first + count);
      float* const at = out + (lo - rows.lo) * dimensions;
      const Range part{lo - first, hi - first};
      if (lo < hi && !readPages(*reader, (int)g, column, dimensions, part, at)) {
        sink.append(*floats(*reader, (int)g, column), first, count, part, at);
      }
      first += count;
    }
  });
}

}  // namespace ligase
