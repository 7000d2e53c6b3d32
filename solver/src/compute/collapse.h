// Owns the step from rows to nodes: bit-identical embeddings are one node.
// Invariants: nodes are numbered in the order of their smallest row; equality is of bits, so 0.0
// and -0.0 make two nodes; multiplicities add up to the rows.
#pragma once

#include <cstdint>
#include <vector>

namespace ligase {

struct Nodes {
  /// Embeddings, float32 [nodes, d], row-major.
  std::vector<float> values;
  int64_t dimensions = 0;
  /// Node of each row.
  std::vector<int32_t> ofRow;
  /// Rows of each node.
  std::vector<int32_t> multiplicity;

  int64_t count() const { return (int64_t)multiplicity.size(); }
};

/// The nodes of rows float32 [n, d], which are taken over and compacted in place. Every rank does
/// it for itself. Not collective.
Nodes collapse(std::vector<float> rows, int64_t dimensions);

}  // namespace ligase
