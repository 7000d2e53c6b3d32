/**
 * Memory of large arrays. JavaScript gives an array back when it collects garbage, tens of them at
 * once; fresh pages for each would cost a fifth of the time that inflating takes. So large blocks
 * are kept for the next arrays, up to a bound; small ones are the allocator's.
 *
 * Invariant: a block is in the list, or belongs to one array.
 */
#pragma once
#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

namespace ligase {

struct Memory {
  void* data;
  size_t bytes;
};

/** Bytes from which blocks are kept. */
constexpr size_t LARGE_BLOCK = 64 * 1024;
/** Bytes that are kept at most: what collections of garbage were seen to give back at once. */
constexpr size_t KEPT_BYTES_MAX = size_t(64) * 1024 * 1024;

/** The blocks of this process that no array has. Any thread may take and give. */
class KeptBlocks {
 public:
  static KeptBlocks& shared() {
    // Never destroyed: arrays of threads that end late give back to it.
    static auto* const kept = new KeptBlocks();
    return *kept;
  }

  /** A block of at least `bytes`, at most twice as large if it was used before. */
  Memory take(size_t bytes) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      size_t best = blocks_.size();
      for (size_t i = 0; i < blocks_.size(); i++) {
        const size_t size = blocks_[i].bytes;
        const bool fits = size >= bytes && size / 2 <= bytes;
        if (fits && (best == blocks_.size() || size < blocks_[best].bytes)) best = i;
      }
      if (best < blocks_.size()) {
        const Memory found = blocks_[best];
        blocks_[best] = blocks_.back();
        blocks_.pop_back();
        total_ -= found.bytes;
        return found;
      }
    }
    void* data = std::malloc(bytes);
    if (data == nullptr) throw std::bad_alloc();
    return {data, bytes};
  }

  void give(Memory block) {
    if (block.bytes >= LARGE_BLOCK && block.bytes <= KEPT_BYTES_MAX) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (total_ + block.bytes <= KEPT_BYTES_MAX) {
        blocks_.push_back(block);
        total_ += block.bytes;
        return;
      }
    }
    std::free(block.data);
  }

 private:
  std::mutex mutex_;
  std::vector<Memory> blocks_;
  size_t total_ = 0;
};

}  // namespace ligase
