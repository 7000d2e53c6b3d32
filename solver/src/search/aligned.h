// Owns memory that the kernels read: aligned to 64 bytes, not initialised.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace ligase {

struct FreeAligned {
  void operator()(void* memory) const { std::free(memory); }
};

template <class T>
using AlignedBuffer = std::unique_ptr<T[], FreeAligned>;

/// `count` values. Not collective.
template <class T>
AlignedBuffer<T> makeAligned(int64_t count) {
  const size_t bytes = ((size_t)count * sizeof(T) + 63) / 64 * 64;
  auto* memory = static_cast<T*>(std::aligned_alloc(64, bytes > 0 ? bytes : 64));
  if (memory == nullptr) throw std::bad_alloc();
  return AlignedBuffer<T>(memory);
}

}  // namespace ligase
