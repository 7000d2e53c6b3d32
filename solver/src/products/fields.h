// Owns what the heat starts from.
// Invariants: fields stand in the order sources, probes; each is within [-1, 1]; a probe is a
// function of (seed, number of the probe, node).
#pragma once

#include <cstdint>
#include <vector>

#include "compute/collapse.h"
#include "input/dataset.h"

namespace ligase {

/// `source`: 1 on the node of an input's first row, 0 elsewhere. `probe`: 1 or -1 by chance.
enum class FieldKind : int32_t { source = 0, probe = 1 };

struct StartField {
  FieldKind kind;
  /// Of a source its input, of a probe its number.
  int32_t index;
  /// Of a source the first row of its input, else -1.
  int32_t row;
};

struct Fields {
  std::vector<StartField> list;
  /// u(0), [owned nodes, fields], row-major.
  std::vector<double> start;

  int64_t count() const { return (int64_t)list.size(); }
};

/// A source for each input with rows, then `probes` Rademacher probes. Not collective.
/// @param range - owned nodes. @param nodeOfRow - of all rows.
Fields startFields(Range range, const std::vector<Field>& inputs,
                   const std::vector<int32_t>& nodeOfRow, int64_t probes, uint64_t seed);

}  // namespace ligase
