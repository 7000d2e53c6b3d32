// Owns the hash table of embeddings; see collapse.h. The hash only finds candidates, whole rows are
// compared: no result depends on it.
#include "compute/collapse.h"

#include <bit>
#include <cstring>

namespace ligase {

namespace {

uint64_t hashRow(const float* row, int64_t dimensions) {
  uint64_t hash = 0x9e3779b97f4a7c15;
  for (int64_t d = 0; d < dimensions; d++) {
    hash = (hash ^ std::bit_cast<uint32_t>(row[d])) * 0xff51afd7ed558ccd;
    hash ^= hash >> 32;
  }
  return hash;
}

/// Open addressing over node numbers; at most half full.
class Table {
 public:
  explicit Table(size_t rows) : slots_(std::bit_ceil(2 * rows + 2), -1) {}

  /// The slot of an equal node, or the empty one where a new node belongs.
  int32_t& find(const float* row, const float* nodes, int64_t dimensions) {
    const size_t mask = slots_.size() - 1;
    const size_t bytes = (size_t)dimensions * sizeof(float);
    size_t at = hashRow(row, dimensions) & mask;
    while (slots_[at] >= 0 && std::memcmp(nodes + slots_[at] * dimensions, row, bytes) != 0) {
      at = (at + 1) & mask;
    }
    return slots_[at];
  }

 private:
  std::vector<int32_t> slots_;
};

}  // namespace

Nodes collapse(std::vector<float> rows, int64_t dimensions) {
  Nodes nodes;
  nodes.dimensions = dimensions;
  const auto width = (size_t)dimensions;
  const size_t count = width == 0 ? 0 : rows.size() / width;
  nodes.ofRow.reserve(count);
  Table table(count);
  for (size_t r = 0; r < count; r++) {
    const float* row = rows.data() + r * width;
    int32_t& slot = table.find(row, rows.data(), dimensions);
    if (slot < 0) {
      slot = (int32_t)nodes.multiplicity.size();
      // A node's number is never above its row's: the copy goes to a place already read.
      std::memmove(rows.data() + (size_t)slot * width, row, width * sizeof(float));
      nodes.multiplicity.push_back(0);
    }
    nodes.multiplicity[(size_t)slot]++;
    nodes.ofRow.push_back(slot);
  }
  rows.resize(nodes.multiplicity.size() * width);
  nodes.values = std::move(rows);
  return nodes;
}

}  // namespace ligase
