/**
 * See stats.h. Two additions a base, and one for each 5-mer: about 2 ns; the rows of 150 positions
 * take 38 KiB.
 */
#include "stats.h"

#include <algorithm>

namespace ligase {
namespace {

constexpr int8_t NO_BASE = -1;

struct BaseNumbers {
  int8_t of[256];
  BaseNumbers() {
    std::fill(of, of + 256, NO_BASE);
    of['A'] = 0;
    of['T'] = 1;
    of['C'] = 2;
    of['G'] = 3;
  }
};

const BaseNumbers base_numbers;

void add_all(std::vector<uint64_t>& to, const std::vector<uint64_t>& from) {
  if (to.size() < from.size()) to.resize(from.size());
  for (size_t i = 0; i < from.size(); i++) to[i] += from[i];
}

}  // namespace

void ReadStats::add(const ReadView& read) {
  const size_t rows = std::min(read.n, cycles_max_ + 1);
  if (cycles_.size() < rows * row) cycles_.resize(rows * row);
  const size_t length = std::min(read.n, cycles_max_ + 1);
  if (lengths_.size() <= length) lengths_.resize(length + 1);
  lengths_[length] += 1;
  reads_ += 1;
  bases_ += read.n;
  uint64_t* cycle = cycles_.data();
  uint64_t* const counts = five_mers_.data();
  uint32_t kmer = 0;
  uint32_t run = 0;
  for (size_t i = 0; i < read.n; i++) {
    const uint8_t base = read.bases[i];
    const uint32_t quality = read.qualities[i];
    const size_t grade = size_t(quality >= '5') + size_t(quality >= '?');
    const size_t kind = base & 7u;
    cycle[grade * classes + kind] += 1;
    cycle[grades * classes + kind] += quality - 33;
    if (i < cycles_max_) cycle += row;
    const int8_t number = base_numbers.of[base];
    run = number == NO_BASE ? 0 : run + 1;
    kmer = ((kmer << 2) | uint32_t(number & 3)) & (kmers - 1);
    if (run >= 5) counts[kmer] += 1;
  }
}

void ReadStats::add(const ReadStats& other) {
  reads_ += other.reads_;
  bases_ += other.bases_;
  add_all(cycles_, other.cycles_);
  add_all(five_mers_, other.five_mers_);
  add_all(lengths_, other.lengths_);
}

}  // namespace ligase
