/**
 * Quality control of batches: each read is trimmed, judged and counted, before and after. What it
 * counts are sums, so that counters of several shards add up.
 * Not thread-safe: one call at a time.
 */
#pragma once
#include <array>
#include <optional>

#include "pairs.h"
#include "stats.h"

namespace ligase {

/** A batch of our own; trimming and correcting change it in place. */
struct QcBatch {
  std::vector<uint8_t> bases;
  std::vector<uint8_t> qualities;
  /** Read i is [ends[i], ends[i + 1]); begins with 0. */
  std::vector<int32_t> ends;
};

/** What became of the reads of a batch. */
struct QcOutcome {
  /** Verdicts; of mates, each its own. */
  std::vector<uint8_t> verdicts;
  /** Read i keeps bases[begins[i], begins[i] + lengths[i]) of its batch. */
  std::vector<int32_t> begins;
  std::vector<int32_t> lengths;
};

class QcCounter {
 public:
  static constexpr size_t verdicts = 32;
  /** fastp's largest insert size; what is longer or doesn't overlap counts as unknown. */
  static constexpr size_t insert_max = 512;

  QcCounter(const QcOptions& options, Level level);

  QcOutcome add(QcBatch& batch);
  /** Mates i of both batches are a pair. Both have as many reads. */
  std::array<QcOutcome, 2> add_pairs(QcBatch& first, QcBatch& second);

  /** Of mate 0 or 1. */
  ReadStats before(int mate) const;
  ReadStats after(int mate) const;
  /** Reads by verdict; both mates of a pair count under the worse one. */
  const std::array<uint64_t, verdicts>& filtered() const { return filtered_; }
  const TrimCounts& trimmed() const { return trimmed_; }
  const PairCounts& pairs() const { return pairs_; }
  /** Pairs by insert size; the last place: unknown. */
  const std::array<uint64_t, insert_max + 1>& inserts() const { return inserts_; }

 private:
  /** Sums that hold before and after, before alone, after alone. */
  struct Stats {
    ReadStats both;
    ReadStats before;
    ReadStats after;
  };
  /** A read on its way through the batch. */
  struct Way {
    ReadView original;
    Read read;
    bool counted = false;
  };

  Way begin(QcBatch& batch, size_t i) const;
  void count(int mate, const Way& way, bool passes);
  void count_insert(const Overlap& overlap, const Read& first, const Read& second);
  void trim_single(Read& read);
  void trim_pair(Way& first, Way& second);

  QcOptions options_;
  const Kernels& kernels_;
  std::array<Stats, 2> stats_;
  std::array<uint64_t, verdicts> filtered_{};
  std::array<uint64_t, insert_max + 1> inserts_{};
  TrimCounts trimmed_;
  PairCounts pairs_;
  std::vector<uint8_t> reversed_;
};

}  // namespace ligase
