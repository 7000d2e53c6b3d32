/** See kmers.h. */
#include "kmers.h"

#include <algorithm>
#include <cstring>

namespace ligase {
namespace {

struct Numbers {
  uint8_t of[256];
  Numbers() {
    std::fill(of, of + 256, uint8_t(4));
    const char* letters[] = {"Aa", "Cc", "Gg", "TtUu"};
    for (uint8_t number = 0; number < 4; number++) {
      for (const char* at = letters[number]; *at != 0; at++) of[uint8_t(*at)] = number;
    }
  }
};

const Numbers numbers;

/** Number of a 4-mer's canonical form -> its place among the canonical ones. */
struct Places {
  int32_t of[256];
  Places() {
    int32_t next = 0;
    for (uint32_t kmer = 0; kmer < 256; kmer++) {
      uint32_t mate = 0;
      for (int i = 0; i < 4; i++) mate = (mate << 2) | (3 - ((kmer >> (2 * i)) & 3));
      of[kmer] = mate < kmer ? of[mate] : next++;
    }
  }
};

const Places places;

template <class Visit>
void over_sequences(const Sequences& sequences, Visit visit) {
  for (size_t i = 0; i < sequences.size(); i++) {
    const auto begin = size_t(sequences.ends[i]);
    visit(i, sequences.bases.data() + begin, size_t(sequences.ends[i + 1]) - begin);
  }
}

}  // namespace

uint8_t base_number(uint8_t byte) { return numbers.of[byte]; }

std::vector<int32_t> count_tetramers(const Sequences& sequences) {
  std::vector<int32_t> counts(sequences.size() * tetramers);
  over_sequences(sequences, [&](size_t i, const uint8_t* bases, size_t n) {
    int32_t* const row = counts.data() + i * tetramers;
    over_kmers(bases, n, 4, [&](uint64_t kmer, size_t, bool) { row[places.of[kmer]] += 1; });
  });
  return counts;
}

std::vector<uint64_t> minimisers(const Sequences& sequences, int k) {
  std::vector<uint64_t> least(sequences.size(), ~uint64_t(0));
  over_sequences(sequences, [&](size_t i, const uint8_t* bases, size_t n) {
    uint64_t found = ~uint64_t(0);
    over_kmers(bases, n, k, [&](uint64_t kmer, size_t, bool) {
      found = std::min(found, spread(kmer));
    });
    least[i] = found;
  });
  return least;
}

void KmerTable::add(const Sequences& sequences) {
  over_sequences(sequences, [&](size_t, const uint8_t* bases, size_t n) {
    over_kmers(bases, n, k_, [&](uint64_t kmer, size_t, bool) {
      windows_ += 1;
      if (is_sampled(kmer)) count(kmer);
    });
  });
}

void KmerTable::count(uint64_t kmer) {
  counts_.add(kmer, 1);
  while (counts_.size() > keys_max_) {
    halvings_ += 1;
    counts_.keep_if([&](uint64_t key) { return is_sampled(key); });
  }
}

void Sketch::add(const Sequences& sequences) {
  over_sequences(sequences,
                 [&](size_t, const uint8_t* bases, size_t n) { add_sequence(bases, n); });
}

/** Both strands as letters stand side by side, so that no k-mer is ever built. */
void Sketch::add_sequence(const uint8_t* bases, size_t n) {
  const auto k = size_t(k_);
  if (n < k) return;
  forward_.resize(n + 2 * RUN_PADDING);
  backward_.resize(n + 2 * RUN_PADDING);
  found_.resize(n);
  uint8_t* const forward = forward_.data() + RUN_PADDING;
  uint8_t* const backward = backward_.data() + RUN_PADDING;
  strands_of(bases, n, forward, backward);
  for (size_t begin = 0; begin < n;) {
    const void* bad = std::memchr(forward + begin, 0, n - begin);
    const size_t end = bad == nullptr ? n : size_t(static_cast<const uint8_t*>(bad) - forward);
    if (end - begin >= k) {
      const Run run{forward + begin, backward + (n - end), end - begin, k};
      const size_t count = hash_run_(run, max_hash_, found_.data());
      for (size_t i = 0; i < count; i++) hashes_.add(found_[i], 1);
    }
    begin = end + 1;
  }
}

HashRun hash_run_of(Level level) {
  const Level best = best_level();
#if defined(__x86_64__)
  if (level == Level::avx512 && best == Level::avx512) return hash_run_avx512;
#endif
  static_cast<void>(best);
  static_cast<void>(level);
  return hash_run;
}

}  // namespace ligase
