/**
 * Records as flat arrays, and the growing array they are collected in. The arrays are blocks of
 * memory of their own, so that they can be handed to JavaScript without a copy.
 */
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "memory.h"

namespace ligase {

/** A growing array of plain values; what is added isn't set to zero first. Movable. */
template <class T>
class Array {
 public:
  Array() = default;
  Array(Array&& other) noexcept { swap(other); }
  Array& operator=(Array&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Array() { KeptBlocks::shared().give({data_, capacity_ * sizeof(T)}); }

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return size_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  T back() const { return data_[size_ - 1]; }

  /** The place of `n` further values, which count once `grow` was called. */
  T* room(size_t n) {
    if (size_ + n > capacity_) reserve(size_ + n > 2 * capacity_ ? size_ + n : 2 * capacity_);
    return data_ + size_;
  }
  void grow(size_t n) { size_ += n; }
  void push(T value) {
    *room(1) = value;
    size_ += 1;
  }
  void append(const T* from, size_t n) {
    if (n == 0) return;
    std::memcpy(room(n), from, n * sizeof(T));
    size_ += n;
  }
  void clear() { size_ = 0; }
  void resize(size_t n) {
    if (n > size_) room(n - size_);
    size_ = n;
  }
  /** Removes the first n values. n <= size. */
  void drop_front(size_t n) {
    if (n == 0) return;
    std::memmove(data_, data_ + n, (size_ - n) * sizeof(T));
    size_ -= n;
  }
  /** The memory, which the caller gives to KeptBlocks in the end; this array is empty then. */
  Memory release() {
    size_ = 0;
    const size_t bytes = std::exchange(capacity_, 0) * sizeof(T);
    return {std::exchange(data_, nullptr), bytes};
  }

 private:
  void reserve(size_t n) {
    const size_t bytes = (n == 0 ? 1 : n) * sizeof(T);
    if (bytes >= LARGE_BLOCK) return move_to(KeptBlocks::shared().take(bytes));
    void* grown = std::realloc(data_, bytes);
    if (grown == nullptr) throw std::bad_alloc();
    data_ = static_cast<T*>(grown);
    capacity_ = n;
  }
  void move_to(Memory block) {
    if (size_ > 0) std::memcpy(block.data, data_, size_ * sizeof(T));
    KeptBlocks::shared().give({data_, capacity_ * sizeof(T)});
    data_ = static_cast<T*>(block.data);
    capacity_ = block.bytes / sizeof(T);
  }
  void swap(Array& other) {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  T* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

/** Bits of Batch::flags. */
enum RecordFlag : uint8_t { carriage_returns = 1, empty_read = 2, wrapped_lines = 4 };

/** n records, back to back. Every array of ends starts with 0 and has n + 1 values. */
struct Batch {
  /** Names without `@` or `>`, up to the first blank. */
  Array<uint8_t> names;
  Array<int32_t> name_ends;
  /** Sequences as they stand in the file, without line ends. */
  Array<uint8_t> bases;
  /** Quality bytes as they stand in the file; as many as bases, or none in FASTA. */
  Array<uint8_t> qualities;
  Array<int32_t> ends;
  /** Offset in the stream of each record's first byte, and of the byte behind the last one. */
  Array<double> begins;
  Array<uint8_t> flags;

  size_t records() const { return flags.size(); }
};

}  // namespace ligase
