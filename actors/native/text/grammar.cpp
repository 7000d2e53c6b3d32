/** FASTQ of four lines, and what the three formats share. */
#include "grammar.h"

#include "lines.h"

namespace ligase {
namespace {

using Kind = Parsed::Kind;

/** Where the parts of a four-line record lie; line ends excluded. */
struct Lines {
  size_t name_end;
  size_t sequence_begin;
  size_t sequence_end;
  size_t quality_begin;
  size_t next;
  bool carriage;
};

/** Whether the text after `+` is empty or the name's own line. Both spans end at their LF. */
bool is_title(const Text& text, size_t begin, size_t name_lf, size_t plus, size_t plus_lf) {
  const size_t title_end = without_carriage(text, plus + 1, plus_lf);
  const size_t title = title_end - (plus + 1);
  if (title == 0) return true;
  const size_t name = without_carriage(text, begin + 1, name_lf) - (begin + 1);
  return title == name && std::memcmp(text.bytes + plus + 1, text.bytes + begin + 1, name) == 0;
}

/** Sets lines.next from where the quality must end, by the sequence's length. */
Parsed find_next(const Grammar& grammar, const Text& text, size_t begin, Lines& lines) {
  const size_t length = lines.sequence_end - lines.sequence_begin;
  const size_t end = lines.quality_begin + length;
  if (end > text.size) {
    const bool has_lf = find_lf(grammar, text, lines.quality_begin) < text.size;
    return has_lf ? fault(Fault::lengths_differ, begin) : Parsed{Kind::incomplete, begin};
  }
  if (end == text.size) {
    if (!text.at_end) return Parsed{Kind::incomplete, begin};
    lines.next = end;
  } else if (text.bytes[end] == LF) {
    lines.next = end + 1;
  } else if (text.bytes[end] != CR) {
    return fault(Fault::lengths_differ, begin);
  } else if (end + 1 == text.size) {
    if (!text.at_end) return Parsed{Kind::incomplete, begin};
    lines.next = end + 1;
  } else if (text.bytes[end + 1] == LF) {
    lines.next = end + 2;
  } else {
    return fault(Fault::lengths_differ, begin);
  }
  return Parsed{Kind::record, lines.next};
}

Parsed find_lines(const Grammar& grammar, const Text& text, size_t begin, Lines& lines) {
  const Parsed cut{Kind::incomplete, begin};
  lines.name_end = find_lf(grammar, text, begin);
  if (lines.name_end == text.size) return cut;
  lines.sequence_begin = lines.name_end + 1;
  const size_t sequence_lf = find_lf(grammar, text, lines.sequence_begin);
  if (sequence_lf == text.size) return cut;
  lines.sequence_end = without_carriage(text, lines.sequence_begin, sequence_lf);
  lines.carriage = lines.sequence_end < sequence_lf;
  const size_t plus = sequence_lf + 1;
  if (plus >= text.size) return cut;
  if (text.bytes[plus] != '+') return fault(Fault::no_plus, plus);
  const size_t plus_lf = find_lf(grammar, text, plus);
  if (plus_lf == text.size) return cut;
  if (plus_lf > plus + 1 && !is_title(text, begin, lines.name_end, plus, plus_lf)) {
    return fault(Fault::title_differs, plus);
  }
  lines.quality_begin = plus_lf + 1;
  return find_next(grammar, text, begin, lines);
}

Parsed parse_four_lines(const Grammar& grammar, const Text& text, size_t begin, Batch& batch) {
  if (text.bytes[begin] != '@') return fault(Fault::bad_start, begin, text.bytes[begin]);
  Lines lines{};
  const Parsed found = find_lines(grammar, text, begin, lines);
  if (found.kind == Kind::incomplete) return incomplete(grammar, text, begin);
  if (found.kind == Kind::fault) return found;
  if (lines.next - begin > grammar.record_bytes_max) return fault(Fault::too_long, begin);
  const size_t length = lines.sequence_end - lines.sequence_begin;
  const uint8_t* quality = text.bytes + lines.quality_begin;
  uint8_t* qualities = batch.qualities.room(length);
  const size_t wrong = grammar.kernels.copy_between(quality, length, '!', '~', qualities);
  if (wrong < length) {
    const size_t rest = length - wrong;
    const bool is_short = grammar.kernels.find(quality + wrong, rest, LF) < rest;
    if (is_short) return fault(Fault::lengths_differ, begin);
    return fault(Fault::quality_byte, lines.quality_begin + wrong, quality[wrong]);
  }
  const uint8_t* sequence = text.bytes + lines.sequence_begin;
  uint8_t* bases = batch.bases.room(length);
  const size_t strange = grammar.kernels.copy_within(sequence, length, grammar.alphabet, bases);
  if (strange < length) {
    return fault(Fault::sequence_byte, lines.sequence_begin + strange, sequence[strange]);
  }
  batch.qualities.grow(length);
  batch.bases.grow(length);
  add_record(text, begin + 1, lines.name_end, lines.carriage ? carriage_returns : 0, batch);
  return found;
}

}  // namespace

bool is_blank(const uint8_t* bytes, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (bytes[i] != LF && bytes[i] != CR) return false;
  }
  return true;
}

Parsed parse_record(const Grammar& grammar, const Text& text, size_t begin, Batch& batch) {
  switch (grammar.format) {
    case Format::fastq:
      return parse_four_lines(grammar, text, begin, batch);
    case Format::wrapped_fastq:
      return parse_wrapped(grammar, text, begin, batch);
    case Format::fasta:
      return parse_fasta(grammar, text, begin, batch);
  }
  return fault(Fault::bad_start, begin, text.bytes[begin]);
}

}  // namespace ligase
