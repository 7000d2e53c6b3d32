// Owns memory for large arrays: in huge pages where the kernel has them, and not set to zero.
// Why: pages of 4 KiB bound every first write to ~2 GB/s, huge ones to ~5 (measured, one core).
#pragma once

#include <sys/mman.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace ligase {

template <class T>
class PageAllocator {
 public:
  using value_type = T;

  PageAllocator() = default;
  template <class U>
  explicit PageAllocator(const PageAllocator<U>&) {}

  T* allocate(size_t count) {
    const size_t bytes = count * sizeof(T);
    const bool large = bytes >= 4 * pageBytes;
    const size_t unit = large ? pageBytes : 64;
    void* memory = std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit);
    if (memory == nullptr) throw std::bad_alloc();
    // Only a wish: without huge pages all else is the same.
    if (large) madvise(memory, bytes / pageBytes * pageBytes, MADV_HUGEPAGE);
    return static_cast<T*>(memory);
  }

  void deallocate(T* memory, size_t) { std::free(memory); }

  /// A value that nobody gave stays whatever the memory held.
  template <class U>
  void construct(U* at) {
    ::new (static_cast<void*>(at)) U;
  }
  template <class U, class... Values>
  void construct(U* at, Values&&... values) {
    ::new (static_cast<void*>(at)) U(std::forward<Values>(values)...);
  }

  bool operator==(const PageAllocator&) const { return true; }

 private:
  static constexpr size_t pageBytes = 2 << 20;
};

/// Embeddings. After resize, new values are undefined.
using FloatPages = std::vector<float, PageAllocator<float>>;

}  // namespace ligase
