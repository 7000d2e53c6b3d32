/**
 * Records out of a stream that comes in pieces of any size. It owns one buffer, which grows only
 * for a record longer than a piece (bound: record_bytes_max and a piece).
 *
 * Invariant: begin_ <= window_.size(); window_[begin_, size) is what was fed and not parsed.
 * Not thread-safe: one call at a time.
 */
#pragma once
#include "grammar.h"

namespace ligase {

struct ScanOptions {
  Format format;
  bool protein;
  /**
   * The stream's end is the file's: empty lines before it are legal, and so is a last line without
   * its end. Elsewhere both would hide what one pass over the file finds.
   */
  bool file_end;
  Level level;
  size_t record_bytes_max;
};

class Scanner {
 public:
  enum class State : int { full = 0, needs_input = 1, ended = 2, fault = 3 };

  explicit Scanner(const ScanOptions& options);

  /** Copies the stream's next bytes in. */
  void feed(const uint8_t* bytes, size_t n);
  /** Says that nothing follows. */
  void end() { at_end_ = true; }

  /**
   * Parses until the batch holds records_max records or at least bases_max bases (full), or more
   * input is needed, or the stream ended, or a record is broken; the batch then holds the records
   * before it. A fault stays.
   */
  State next(size_t records_max, size_t bases_max);

  /** The batch under way; moved from, the next one begins empty. */
  Batch take();
  const Parsed& fault() const { return fault_; }
  /** Of the fault's place, counted from the stream's begin. */
  double fault_offset() const { return bytes_ + double(fault_.at) - double(begin_); }
  /** Bytes and records before the next record. */
  double bytes() const { return bytes_; }
  double records() const { return records_; }

 private:
  bool only_blank() const;
  bool step();

  Grammar grammar_;
  bool file_end_;
  bool at_end_ = false;
  Array<uint8_t> window_;
  size_t begin_ = 0;
  double bytes_ = 0;
  double records_ = 0;
  Batch batch_;
  Parsed fault_{Parsed::Kind::record, 0};
};

}  // namespace ligase
