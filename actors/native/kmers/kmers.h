/**
 * Counts of k-mers. A k-mer and its reverse complement are one, named by the smaller of their
 * numbers (A 0, C 1, G 2, T and U 3, first base highest, either case); a window with anything else
 * gives none.
 */
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../text/kernels.h"
#include "count-table.h"
#include "hash-run.h"

namespace ligase {

/** Sequences back to back: read i is [ends[i], ends[i + 1]); ends begins with 0. */
struct Sequences {
  std::vector<uint8_t> bases;
  std::vector<int32_t> ends;
  size_t size() const { return ends.size() - 1; }
};

/** Number of a base, 0..3, or 4. */
uint8_t base_number(uint8_t byte);

/**
 * Calls take(canonical k-mer, where it begins, whether it stands so on this strand) for each window
 * of bases[0, n). 1 <= k <= 31.
 */
template <class Take>
void over_kmers(const uint8_t* bases, size_t n, int k, Take take) {
  const uint64_t mask = (uint64_t(1) << (2 * k)) - 1;
  const int top = 2 * (k - 1);
  uint64_t forward = 0;
  uint64_t backward = 0;
  int run = 0;
  for (size_t i = 0; i < n; i++) {
    const uint64_t base = base_number(bases[i]);
    if (base > 3) {
      run = 0;
      continue;
    }
    forward = ((forward << 2) | base) & mask;
    backward = (backward >> 2) | ((3 - base) << top);
    if (++run < k) continue;
    take(forward < backward ? forward : backward, i + 1 - size_t(k), forward <= backward);
  }
}

/** Canonical 4-mers. */
constexpr size_t tetramers = 136;
/** Counts int32 [n, 136] of each sequence's canonical 4-mers, in the order of their numbers. */
std::vector<int32_t> count_tetramers(const Sequences& sequences);

/** For each sequence the least spread number of its k-mers; 2^64 - 1 without any. */
std::vector<uint64_t> minimisers(const Sequences& sequences, int k);

/**
 * Counts by k-mer, exact until there are keys_max; from there on only of k-mers whose spread number
 * has `halvings` leading zeros, one more each time the table is full again. Which those are depends
 * on the k-mers alone, so that tables of parts add up.
 */
class KmerTable {
 public:
  KmerTable(int k, size_t keys_max) : k_(k), keys_max_(keys_max) {}

  void add(const Sequences& sequences);
  int halvings() const { return halvings_; }
  /** Windows seen, sampled or not. */
  double windows() const { return windows_; }
  const CountTable& counts() const { return counts_; }

 private:
  void count(uint64_t kmer);
  bool is_sampled(uint64_t kmer) const {
    return halvings_ == 0 || (spread(kmer) >> (64 - halvings_)) == 0;
  }

  int k_;
  size_t keys_max_;
  int halvings_ = 0;
  double windows_ = 0;
  CountTable counts_;
};

/** The form of a level, or the plain one where it has none of its own. */
HashRun hash_run_of(Level level);

/**
 * A FracMinHash sketch as sourmash makes it: of each k-mer's letters, the smaller strand, the first
 * half of MurmurHash3 x64 128 with seed 42; those up to max_hash are kept, with their counts.
 * Source: sourmash, src/core/src/lib.rs (_hash_murmur), sketch/minhash.rs.
 */
class Sketch {
 public:
  Sketch(int k, uint64_t max_hash, Level level)
      : k_(k), max_hash_(max_hash), hash_run_(hash_run_of(level)) {}

  void add(const Sequences& sequences);
  const CountTable& hashes() const { return hashes_; }

 private:
  void add_sequence(const uint8_t* bases, size_t n);

  int k_;
  uint64_t max_hash_;
  HashRun hash_run_;
  std::vector<uint8_t> forward_;
  std::vector<uint8_t> backward_;
  std::vector<uint64_t> found_;
  CountTable hashes_;
};

/** MurmurHash3 x64 128, first half. The 16 bytes after from[0, n) must be readable. */
uint64_t murmur_hash(const uint8_t* from, size_t n, uint64_t seed);

}  // namespace ligase
