// Owns the values of sources and probes; see fields.h.
#include "products/fields.h"

#include "algebra/random.h"

namespace ligase {

Fields startFields(Range range, const std::vector<Field>& inputs,
                   const std::vector<int32_t>& nodeOfRow, int64_t probes, uint64_t seed) {
  Fields fields;
  for (const Field& input : inputs) {
    fields.list.push_back({FieldKind::source, (int32_t)input.input, (int32_t)input.row});
  }
  for (int64_t p = 0; p < probes; p++) fields.list.push_back({FieldKind::probe, (int32_t)p, -1});
  const int64_t width = fields.count();
  fields.start.assign((size_t)(range.size() * width), 0.0);
  for (int64_t f = 0; f < width; f++) {
    const StartField& field = fields.list[(size_t)f];
    if (field.kind == FieldKind::source) {
      const int64_t node = nodeOfRow[(size_t)field.row];
      if (node < range.lo || node >= range.hi) continue;
      fields.start[(size_t)((node - range.lo) * width + f)] = 1;
      continue;
    }
    for (int64_t node = range.lo; node < range.hi; node++) {
      const uint64_t bits =
          randomBits(seed, Purpose::probe, (uint64_t)field.index, (uint64_t)node);
      fields.start[(size_t)((node - range.lo) * width + f)] = bits >> 63 == 0 ? 1 : -1;
    }
  }
  return fields;
}

}  // namespace ligase
