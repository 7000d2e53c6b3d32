/**
 * The grammar of one record: FASTQ of four lines, FASTQ whose sequence and quality go over several
 * lines, FASTA. LF or CRLF; the file's last line end is optional; empty sequences are legal.
 * Not collective; nothing here waits, and memory belongs to the batch.
 */
#pragma once
#include "batch.h"
#include "kernels.h"

namespace ligase {

enum class Format : int { fastq = 0, wrapped_fastq = 1, fasta = 2 };

/** What can be wrong; the numbers are those of the table `FAULTS` in faults.ts. */
enum class Fault : int {
  none = 0,
  bad_start = 1,
  no_plus = 2,
  title_differs = 3,
  quality_byte = 4,
  sequence_byte = 5,
  lengths_differ = 6,
  truncated = 7,
  cut_off = 8,
  too_long = 9,
  empty_line = 10,
};

/** How a parse ended. */
struct Parsed {
  enum class Kind { record, incomplete, fault } kind;
  /** The next record's offset in the text; of a fault: the place that is wrong. */
  size_t at;
  Fault fault = Fault::none;
  /** The byte at fault, where one is. */
  uint8_t byte = 0;
};

/** A text to parse records from. */
struct Text {
  const uint8_t* bytes;
  size_t size;
  /** The file ends with this text. */
  bool at_end;
};

struct Grammar {
  Format format;
  const Alphabet& alphabet;
  const Kernels& kernels;
  /** A record of more bytes is a fault. */
  size_t record_bytes_max;
};

/**
 * Parses the record that begins at `begin`, < text.size. A record is added to `batch`, whose
 * `begins` the caller keeps; whatever else comes out leaves the batch as it was.
 */
Parsed parse_record(const Grammar& grammar, const Text& text, size_t begin, Batch& batch);

/** Whether bytes[0, n) are line ends alone. */
bool is_blank(const uint8_t* bytes, size_t n);

}  // namespace ligase
