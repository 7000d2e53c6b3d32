/**
 * FASTQ whose sequence and quality go over several lines, and FASTA. A wrapped quality ends where
 * it has as many characters as the sequence, which is the only thing that tells it from a name.
 */
#include "lines.h"

namespace ligase {
namespace {

using Kind = Parsed::Kind;

/** A parse under way: where it is, and what it added to the batch so far. */
struct Reader {
  const Grammar& grammar;
  const Text& text;
  size_t begin;
  Batch& batch;
  size_t at = 0;
  unsigned flags = 0;
  unsigned lines = 0;

  /** Takes the line at `at`; false when the text ends in it and more may follow. */
  bool take_line(size_t& line_begin, size_t& line_end) {
    const size_t lf = find_lf(grammar, text, at);
    if (lf == text.size && !text.at_end) return false;
    line_begin = at;
    line_end = without_carriage(text, at, lf);
    if (line_end < lf && lf < text.size) flags |= carriage_returns;
    at = lf < text.size ? lf + 1 : lf;
    return true;
  }
};

/** Adds a sequence line; a fault when a byte of it is none of the alphabet. */
Parsed add_bases(Reader& reader, size_t begin, size_t end) {
  const size_t n = end - begin;
  const uint8_t* from = reader.text.bytes + begin;
  uint8_t* to = reader.batch.bases.room(n);
  const size_t wrong =
      reader.grammar.kernels.copy_within(from, n, reader.grammar.alphabet, to);
  if (wrong < n) return fault(Fault::sequence_byte, begin + wrong, from[wrong]);
  reader.batch.bases.grow(n);
  reader.lines += 1;
  return Parsed{Kind::record, end};
}

/** The lines up to the one that begins with `mark`, or up to the end where `end_is_legal`. */
Parsed read_sequence(Reader& reader, uint8_t mark, bool end_is_legal) {
  bool saw_empty = false;
  size_t empty_at = 0;
  for (;;) {
    if (reader.at == reader.text.size) {
      if (!reader.text.at_end || !end_is_legal) return Parsed{Kind::incomplete, reader.begin};
      return Parsed{Kind::record, reader.at};
    }
    if (reader.text.bytes[reader.at] == mark) return Parsed{Kind::record, reader.at};
    size_t begin = 0;
    size_t end = 0;
    if (!reader.take_line(begin, end)) return Parsed{Kind::incomplete, reader.begin};
    if (begin == end) {
      // Where a record may end, empty lines may stand behind it; else one is an empty sequence.
      if (!end_is_legal && (saw_empty || reader.lines > 0)) return fault(Fault::empty_line, begin);
      if (!saw_empty) empty_at = begin;
      saw_empty = true;
      continue;
    }
    if (saw_empty) return fault(Fault::empty_line, empty_at);
    const Parsed added = add_bases(reader, begin, end);
    if (added.kind != Kind::record) return added;
  }
}

/** The line after the sequence: `+`, and the name again or nothing. */
Parsed read_plus(Reader& reader, size_t name_lf) {
  const size_t plus = reader.at;
  size_t begin = 0;
  size_t end = 0;
  if (!reader.take_line(begin, end)) return Parsed{Kind::incomplete, reader.begin};
  const size_t name = reader.begin + 1;
  const size_t length = without_carriage(reader.text, name, name_lf) - name;
  const size_t title = end - (plus + 1);
  const uint8_t* bytes = reader.text.bytes;
  const bool is_same =
      title == length && std::memcmp(bytes + plus + 1, bytes + name, length) == 0;
  if (title > 0 && !is_same) return fault(Fault::title_differs, plus);
  return Parsed{Kind::record, reader.at};
}

/** Lines until there are `length` quality characters; after none at all, one empty line. */
Parsed read_quality(Reader& reader, size_t length) {
  size_t taken = 0;
  unsigned lines = 0;
  while (taken < length || (length == 0 && lines == 0)) {
    const bool at_size = reader.at == reader.text.size;
    if (at_size && !reader.text.at_end) return Parsed{Kind::incomplete, reader.begin};
    if (at_size) return Parsed{length == 0 ? Kind::record : Kind::incomplete, reader.begin};
    const size_t line = reader.at;
    size_t begin = 0;
    size_t end = 0;
    if (!reader.take_line(begin, end)) return Parsed{Kind::incomplete, reader.begin};
    lines += 1;
    if (length == 0) {
      // A read without bases may lack its quality line: this is the next name then.
      if (end > begin) reader.at = line;
      break;
    }
    const size_t n = end - begin;
    if (taken + n > length) return fault(Fault::lengths_differ, reader.begin);
    const uint8_t* from = reader.text.bytes + begin;
    uint8_t* to = reader.batch.qualities.room(n);
    const size_t wrong = reader.grammar.kernels.copy_between(from, n, '!', '~', to);
    if (wrong < n) return fault(Fault::quality_byte, begin + wrong, from[wrong]);
    reader.batch.qualities.grow(n);
    taken += n;
  }
  if (reader.lines > 1 || lines > 1) reader.flags |= wrapped_lines;
  return Parsed{Kind::record, reader.at};
}

Parsed read_wrapped(Reader& reader) {
  size_t begin = 0;
  size_t end = 0;
  const size_t name_lf = find_lf(reader.grammar, reader.text, reader.begin);
  if (name_lf == reader.text.size) return Parsed{Kind::incomplete, reader.begin};
  reader.take_line(begin, end);
  const size_t before = reader.batch.bases.size();
  const Parsed sequence = read_sequence(reader, '+', false);
  if (sequence.kind != Kind::record) return sequence;
  const Parsed plus = read_plus(reader, name_lf);
  if (plus.kind != Kind::record) return plus;
  const Parsed quality = read_quality(reader, reader.batch.bases.size() - before);
  if (quality.kind != Kind::record) return quality;
  const bool too_long = reader.at - reader.begin > reader.grammar.record_bytes_max;
  if (too_long) return fault(Fault::too_long, reader.begin);
  add_record(reader.text, reader.begin + 1, name_lf, reader.flags, reader.batch);
  return Parsed{Kind::record, reader.at};
}

Parsed read_fasta(Reader& reader) {
  const size_t name_lf = find_lf(reader.grammar, reader.text, reader.begin);
  if (name_lf == reader.text.size && !reader.text.at_end) {
    return Parsed{Kind::incomplete, reader.begin};
  }
  size_t begin = 0;
  size_t end = 0;
  reader.take_line(begin, end);
  const Parsed sequence = read_sequence(reader, '>', true);
  if (sequence.kind != Kind::record) return sequence;
  if (reader.at - reader.begin > reader.grammar.record_bytes_max) {
    return fault(Fault::too_long, reader.begin);
  }
  if (reader.lines > 1) reader.flags |= wrapped_lines;
  add_record(reader.text, reader.begin + 1, name_lf, reader.flags, reader.batch);
  return Parsed{Kind::record, reader.at};
}

/** Runs a reader; the batch keeps what it added only when a record came out. */
Parsed run(Parsed (*read)(Reader&), uint8_t mark, Reader reader) {
  const uint8_t first = reader.text.bytes[reader.begin];
  if (first != mark) return fault(Fault::bad_start, reader.begin, first);
  const size_t bases = reader.batch.bases.size();
  const size_t qualities = reader.batch.qualities.size();
  reader.at = reader.begin;
  const Parsed parsed = read(reader);
  if (parsed.kind == Kind::record) return parsed;
  reader.batch.bases.resize(bases);
  reader.batch.qualities.resize(qualities);
  if (parsed.kind == Kind::fault) return parsed;
  return incomplete(reader.grammar, reader.text, reader.begin);
}

}  // namespace

Parsed parse_wrapped(const Grammar& grammar, const Text& text, size_t begin, Batch& batch) {
  return run(read_wrapped, '@', Reader{grammar, text, begin, batch});
}

Parsed parse_fasta(const Grammar& grammar, const Text& text, size_t begin, Batch& batch) {
  return run(read_fasta, '>', Reader{grammar, text, begin, batch});
}

}  // namespace ligase
