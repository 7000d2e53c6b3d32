/**
 * What reads come to: curves by position, 5-mers, lengths. All are sums, so that those of two
 * batches add up. A read is added once; nothing else is remembered of it.
 */
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ligase {

/** A read: bases and qualities (offset 33) of n places; somebody else's memory. */
struct ReadView {
  const uint8_t* bases;
  const uint8_t* qualities;
  size_t n;
};

class ReadStats {
 public:
  /** Classes of bases by their last three bits, as fastp has them: A 1, C 3, T 4, N 6, G 7. */
  static constexpr size_t classes = 8;
  /** Qualities below 20, below 30, and from 30 on. */
  static constexpr size_t grades = 3;
  static constexpr size_t kmers = 1024;
  /** Sums of one position: counts by grade and class, then qualities by class. */
  static constexpr size_t row = grades * classes + classes;

  /** @param cycles_max - positions from there on share one more row, so that totals stay exact. */
  explicit ReadStats(size_t cycles_max) : cycles_max_(cycles_max) {}

  void add(const ReadView& read);
  /** Adds another's sums. */
  void add(const ReadStats& other);

  uint64_t reads() const { return reads_; }
  uint64_t bases() const { return bases_; }
  /** Rows of `row` sums; the last one, if there are more than cycles_max, is the shared one. */
  const std::vector<uint64_t>& cycles() const { return cycles_; }
  /** Counts of 5-mers, first base highest; A 0, T 1, C 2, G 3. */
  const std::vector<uint64_t>& five_mers() const { return five_mers_; }
  /** lengths[n] reads have n bases; the last place also counts longer ones. */
  const std::vector<uint64_t>& lengths() const { return lengths_; }

 private:
  size_t cycles_max_;
  uint64_t reads_ = 0;
  uint64_t bases_ = 0;
  std::vector<uint64_t> cycles_;
  std::vector<uint64_t> five_mers_ = std::vector<uint64_t>(kmers);
  std::vector<uint64_t> lengths_;
};

}  // namespace ligase
