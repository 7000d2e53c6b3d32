/** Small pieces that the formats share: line ends, faults, the end of a record. */
#pragma once
#include "grammar.h"

namespace ligase {

constexpr uint8_t LF = 10;
constexpr uint8_t CR = 13;

inline Parsed fault(Fault what, size_t at, uint8_t byte = 0) {
  return Parsed{Parsed::Kind::fault, at, what, byte};
}

/** The next LF at or after `begin`, or text.size. begin <= text.size. */
inline size_t find_lf(const Grammar& grammar, const Text& text, size_t begin) {
  return begin + grammar.kernels.find(text.bytes + begin, text.size - begin, LF);
}

/** The end of the line [begin, lf) without the CR before its LF. */
inline size_t without_carriage(const Text& text, size_t begin, size_t lf) {
  return lf > begin && text.bytes[lf - 1] == CR ? lf - 1 : lf;
}

/** What a record that the text cuts off comes to. */
inline Parsed incomplete(const Grammar& grammar, const Text& text, size_t begin) {
  if (text.size - begin > grammar.record_bytes_max) return fault(Fault::too_long, begin);
  if (text.at_end) return fault(Fault::truncated, begin);
  return Parsed{Parsed::Kind::incomplete, begin};
}

/** Adds name, end and flags of the record whose bases stand in the batch. */
inline void add_record(const Text& text, size_t name, size_t line_end, unsigned flags,
                       Batch& batch) {
  size_t end = name;
  while (end < line_end && text.bytes[end] > ' ') end++;
  batch.names.append(text.bytes + name, end - name);
  batch.name_ends.push(static_cast<int32_t>(batch.names.size()));
  if (batch.ends.back() == static_cast<int32_t>(batch.bases.size())) flags |= empty_read;
  batch.ends.push(static_cast<int32_t>(batch.bases.size()));
  batch.flags.push(static_cast<uint8_t>(flags));
}

Parsed parse_wrapped(const Grammar& grammar, const Text& text, size_t begin, Batch& batch);
Parsed parse_fasta(const Grammar& grammar, const Text& text, size_t begin, Batch& batch);

}  // namespace ligase
