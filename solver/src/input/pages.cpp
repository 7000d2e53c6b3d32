// Owns decoding of whole pages; see pages.h. A level is looked at 64 at a time, as bits, so that
// proving the shape of a row costs nothing beside its values.
#include "input/pages.h"

#include <parquet/column_page.h>
#include <parquet/column_reader.h>
#include <parquet/encoding.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <vector>

namespace ligase {

namespace {

/// A stretch of levels: `count` times `value`, or `count` packed ones at `packed`.
struct Run {
  int64_t count;
  int value;
  const uint8_t* packed;
};

/// Takes Parquet's hybrid coding apart.
class Runs {
 public:
  Runs(const uint8_t* data, int64_t bytes, int width)
      : at_(data), end_(data + bytes), width_(width) {}

  /// The next run, with at most `left` levels; false at what isn't one.
  bool next(int64_t left, Run& run) {
    uint64_t header = 0;
    if (!readHeader(header)) return false;
    const int64_t length = (int64_t)(header >> 1);
    if ((header & 1) == 0) {
      if (length == 0 || at_ == end_) return false;
      run = {std::min(length, left), *at_++, nullptr};
      return true;
    }
    // Groups of eight levels take `width` bytes each.
    if (length == 0 || length > (end_ - at_) / width_) return false;
    run = {std::min(length * 8, left), 0, at_};
    at_ += length * width_;
    return true;
  }

 private:
  bool readHeader(uint64_t& header) {
    for (int shift = 0; shift < 35 && at_ < end_; shift += 7) {
      const uint8_t byte = *at_++;
      header |= (uint64_t)(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  const uint8_t* at_;
  const uint8_t* end_;
  const int width_;
};

/// Up to 64 levels of one bit, the first one lowest.
uint64_t bitsAt(const uint8_t* packed, int64_t from, int64_t count) {
  uint64_t bits = 0;
  std::memcpy(&bits, packed + from / 8, (size_t)((count + 7) / 8));
  return count == 64 ? bits : bits & ((1ULL << count) - 1);
}

/// Levels of `count` values of which each one at a multiple of d, counted on from `inRow`, is 0.
uint64_t expectedBits(int64_t inRow, int64_t count, int64_t dimensions) {
  uint64_t bits = count == 64 ? ~0ULL : (1ULL << count) - 1;
  for (int64_t start = (dimensions - inRow) % dimensions; start < count; start += dimensions) {
    bits &= ~(1ULL << start);
  }
  return bits;
}

bool runStartsEvery(const Run& run, int64_t dimensions, int64_t inRow) {
  if (run.packed == nullptr) {
    const int64_t start = (dimensions - inRow) % dimensions;
    if (run.value == 1) return start >= run.count;
    return run.value == 0 && start == 0 && (run.count == 1 || dimensions == 1);
  }
  for (int64_t from = 0; from < run.count; from += 64) {
    const int64_t count = std::min<int64_t>(64, run.count - from);
    const uint64_t expected = expectedBits((inRow + from) % dimensions, count, dimensions);
    if (bitsAt(run.packed, from, count) != expected) return false;
  }
  return true;
}

/// Bytes of a page, one part after the other.
struct Bytes {
  const uint8_t* at;
  int64_t left;

  bool take(int64_t count, const uint8_t*& part) {
    if (count < 0 || count > left) return false;
    part = at;
    at += count;
    left -= count;
    return true;
  }

  /// A part behind its own length.
  bool takeSized(const uint8_t*& part, int64_t& count) {
    const uint8_t* head = nullptr;
    if (!take(4, head)) return false;
    uint32_t length = 0;
    std::memcpy(&length, head, 4);
    count = length;
    return take(count, part);
  }
};

/// One column of one row group, page by page.
class PageSink {
 public:
  PageSink(const parquet::ColumnDescriptor* column, int64_t dimensions, Range rows, float* out)
      : column_(column), dimensions_(dimensions), lo_(rows.lo * dimensions),
        hi_(rows.hi * dimensions), out_(out) {}

  bool take(const parquet::Page& page) {
    if (page.type() == parquet::PageType::DATA_PAGE) {
      return takeFirst(static_cast<const parquet::DataPageV1&>(page));
    }
    if (page.type() != parquet::PageType::DATA_PAGE_V2) return false;
    return takeSecond(static_cast<const parquet::DataPageV2&>(page));
  }

  /// Values so far, whether wanted or not.
  int64_t values() const { return at_; }
  bool isFull() const { return at_ >= hi_; }

 private:
  bool takeFirst(const parquet::DataPageV1& page) {
    const bool isHybrid = page.repetition_level_encoding() == parquet::Encoding::RLE &&
                          page.definition_level_encoding() == parquet::Encoding::RLE;
    Bytes bytes{page.data(), page.size()};
    const uint8_t* repetition = nullptr;
    const uint8_t* definition = nullptr;
    int64_t sizes[2] = {0, 0};
    if (!isHybrid || !bytes.takeSized(repetition, sizes[0])) return false;
    if (column_->max_definition_level() > 0 && !bytes.takeSized(definition, sizes[1])) return false;
    return takeValues(page, {repetition, sizes[0]}, {definition, sizes[1]}, bytes);
  }

  bool takeSecond(const parquet::DataPageV2& page) {
    Bytes bytes{page.data(), page.size()};
    const uint8_t* repetition = nullptr;
    const uint8_t* definition = nullptr;
    const int64_t sizes[2] = {page.repetition_levels_byte_length(),
                              page.definition_levels_byte_length()};
    if (!bytes.take(sizes[0], repetition) || !bytes.take(sizes[1], definition)) return false;
    return takeValues(page, {repetition, sizes[0]}, {definition, sizes[1]}, bytes);
  }

  bool takeValues(const parquet::DataPage& page, Bytes repetition, Bytes definition,
                  const Bytes& values) {
    const int64_t count = page.num_values();
    const int level = column_->max_definition_level();
    const int64_t inRow = at_ % dimensions_;
    if (!startsEvery(repetition.at, repetition.left, count, dimensions_, inRow)) return false;
    const int width = std::bit_width((unsigned)level);
    if (level > 0 && !allLevels(definition.at, definition.left, count, width, level)) return false;
    const int64_t lo = std::max(lo_, at_);
    const int64_t hi = std::min(hi_, at_ + count);
    if (lo < hi && !decode(page.encoding(), values, count, {lo - at_, hi - at_})) return false;
    at_ += count;
    return true;
  }

  /// Values [lo, hi) of a page of `count` to their place.
  bool decode(parquet::Encoding::type encoding, const Bytes& values, int64_t count, Range part) {
    float* const out = out_ + (at_ + part.lo - lo_);
    if (encoding == parquet::Encoding::PLAIN) {
      if (values.left < count * (int64_t)sizeof(float)) return false;
      std::memcpy(out, values.at + part.lo * (int64_t)sizeof(float),
                  (size_t)part.size() * sizeof(float));
    } else if (encoding == parquet::Encoding::BYTE_STREAM_SPLIT) {
      if (values.left != count * (int64_t)sizeof(float)) return false;
      const auto decoder = parquet::MakeTypedDecoder<parquet::FloatType>(encoding, column_);
      decoder->SetData((int)count, values.at, (int)values.left);
      const bool isWhole = part.size() == count;
      if (!isWhole) scratch_.resize((size_t)count);
      float* const to = isWhole ? out : scratch_.data();
      if (decoder->Decode(to, (int)count) != count) return false;
      if (!isWhole) std::copy_n(to + part.lo, part.size(), out);
    } else {
      return false;
    }
    return allFinite(out, part.size());
  }

  const parquet::ColumnDescriptor* const column_;
  const int64_t dimensions_;
  /// Values wanted, from 0 in the row group.
  const int64_t lo_;
  const int64_t hi_;
  float* const out_;
  int64_t at_ = 0;
  std::vector<float> scratch_;
};

}  // namespace

bool allFinite(const float* values, int64_t count) {
  uint32_t found = 0;
  for (int64_t i = 0; i < count; i++) {
    const uint32_t exponent = std::bit_cast<uint32_t>(values[i]) & 0x7f800000U;
    found |= exponent == 0x7f800000U ? 1 : 0;
  }
  return found == 0;
}

bool startsEvery(const uint8_t* data, int64_t bytes, int64_t count, int64_t dimensions,
                 int64_t inRow) {
  Runs runs(data, bytes, 1);
  for (int64_t done = 0; done < count;) {
    Run run{};
    if (!runs.next(count - done, run)) return false;
    if (!runStartsEvery(run, dimensions, (inRow + done) % dimensions)) return false;
    done += run.count;
  }
  return true;
}

bool allLevels(const uint8_t* data, int64_t bytes, int64_t count, int width, int level) {
  Runs runs(data, bytes, width);
  for (int64_t done = 0; done < count;) {
    Run run{};
    if (!runs.next(count - done, run)) return false;
    if (run.packed == nullptr && run.value != level) return false;
    for (int64_t i = 0; run.packed != nullptr && i < run.count * width; i++) {
      const int bit = (run.packed[i / 8] >> (i % 8)) & 1;
      if (bit != ((level >> (i % width)) & 1)) return false;
    }
    done += run.count;
  }
  return true;
}

bool readPages(parquet::ParquetFileReader& file, int group, int column, int64_t dimensions,
               Range rows, float* out) {
  const auto rowGroup = file.RowGroup(group);
  const parquet::ColumnDescriptor* descriptor = file.metadata()->schema()->Column(column);
  const int64_t all = rowGroup->metadata()->num_rows();
  const auto pages = rowGroup->GetColumnPageReader(column);
  PageSink sink(descriptor, dimensions, rows, out);
  const bool isToEnd = rows.hi == all;
  while (isToEnd || !sink.isFull()) {
    const auto page = pages->NextPage();
    if (page == nullptr) break;
    if (!sink.take(*page)) return false;
  }
  return isToEnd ? sink.values() == all * dimensions : sink.isFull();
}

}  // namespace ligase
