/**
 * Trimming and filtering of one read with the rules, names and defaults of fastp 0.23.2. A read is
 * a place in a batch of our own: trimming moves its borders, nothing is copied.
 * Source: fastp 0.23.2, src/filter.cpp, polyx.cpp, adaptertrimmer.cpp.
 */
#pragma once
#include <string>
#include <vector>

#include "../text/kernels.h"

namespace ligase {

/** A sliding window: its width, and the mean quality it must have. window 0: off. */
struct Window {
  int window = 0;
  int mean = 20;
};

struct QcOptions {
  bool quality_filter = true;
  int qualified_phred = 15;
  int unqualified_percent = 40;
  int average_quality = 0;
  int unknown_limit = 5;
  bool length_filter = true;
  int length_required = 15;
  int length_limit = 0;
  /** Share of places whose base differs from the next, percent; 0: off. */
  int complexity = 0;
  Window front, tail, right;
  /** Of mates 1 and 2. */
  int trim_front[2] = {0, 0};
  int trim_tail[2] = {0, 0};
  int max_length[2] = {0, 0};
  /** Shortest tail; 0: off. */
  int poly_g = 0;
  int poly_x = 0;
  bool adapters = true;
  /** Of mates 1 and 2; empty: none. */
  std::string adapter[2];
  std::vector<std::string> adapter_table;
  bool correction = false;
  int overlap_required = 30;
  int overlap_difference_limit = 5;
  int overlap_difference_percent = 20;
  bool phred64 = false;
  size_t cycles_max = 0;
};

/** Numbers of fastp; of two mates the larger counts. */
enum class Verdict : uint8_t {
  passed = 0,
  too_many_n = 12,
  too_short = 16,
  too_long = 17,
  low_quality = 20,
  low_complexity = 24,
};

/** A read under way, in a batch with KERNEL_PADDING behind its bases. */
struct Read {
  uint8_t* bases;
  uint8_t* qualities;
  int n;
  /** What stood in front and was cut off. */
  int front = 0;
  /** Nothing is left; fastp drops such a read as too short whatever else holds. */
  bool gone = false;
};

/** What was cut off, over reads. */
struct TrimCounts {
  uint64_t adapter_reads = 0;
  uint64_t adapter_bases = 0;
  /** By base: A, T, C, G. */
  uint64_t poly_x_reads[4] = {};
  uint64_t poly_x_bases[4] = {};
};

/** Cuts fixed ends and sliding windows. @param mate - 0 or 1. */
void cut_ends(const QcOptions& options, int mate, Read& read);
void trim_poly_g(int shortest, Read& read);
void trim_poly_x(int shortest, Read& read, TrimCounts& counts);
/** Cuts at the adapters of a single read. @param done - it was trimmed before: counts once. */
void trim_adapters(const QcOptions& options, const Kernels& kernels, int mate, bool done,
                   Read& read, TrimCounts& counts);
Verdict judge(const QcOptions& options, const Kernels& kernels, const Read& read);

}  // namespace ligase
