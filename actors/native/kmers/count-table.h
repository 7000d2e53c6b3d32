/**
 * Counts by 64-bit key: open addressing, half full at most, so that a count is one look in memory.
 * A key is there while its count isn't 0.
 */
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ligase {

/** Spreads the bits of a number; a bijection (the finaliser of MurmurHash3). */
inline uint64_t spread(uint64_t value) {
  value ^= value >> 33;
  value *= 0xff51afd7ed558ccdULL;
  value ^= value >> 33;
  value *= 0xc4ceb9fe1a85ec53ULL;
  return value ^ (value >> 33);
}

class CountTable {
 public:
  struct Entry {
    uint64_t key;
    uint64_t count;
  };

  size_t size() const { return size_; }

  /** Adds to the count of a key. count > 0. */
  void add(uint64_t key, uint64_t count) {
    if (2 * (size_ + 1) > entries_.size()) rebuild(std::max<size_t>(1024, 2 * entries_.size()));
    const size_t mask = entries_.size() - 1;
    size_t at = size_t(spread(key)) & mask;
    while (entries_[at].count != 0 && entries_[at].key != key) at = (at + 1) & mask;
    size_ += entries_[at].count == 0;
    entries_[at].key = key;
    entries_[at].count += count;
  }

  /** Keeps those entries alone whose key is to be kept. */
  template <class Keep>
  void keep_if(Keep keep) {
    for (Entry& entry : entries_) {
      if (entry.count != 0 && !keep(entry.key)) entry.count = 0;
    }
    rebuild(entries_.size());
  }

  /** All entries, in no order. */
  std::vector<Entry> entries() const {
    std::vector<Entry> all;
    all.reserve(size_);
    for (const Entry& entry : entries_) {
      if (entry.count != 0) all.push_back(entry);
    }
    return all;
  }

 private:
  void rebuild(size_t capacity) {
    std::vector<Entry> old(capacity);
    old.swap(entries_);
    size_ = 0;
    for (const Entry& entry : old) {
      if (entry.count != 0) add(entry.key, entry.count);
    }
  }

  std::vector<Entry> entries_;
  size_t size_ = 0;
};

}  // namespace ligase
