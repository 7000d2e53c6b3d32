/**
 * Regions: files of a fixed size on a memory file system, written by one process and mapped by
 * others. System calls and nothing else: names, limits and what is done when are TypeScript's.
 *
 * Invariants: a region's bytes all exist before any of them is mapped, so that a full file system
 * is an error and never a SIGBUS; a reader's mapping is private, so that a write into it stays with
 * who made it; a mapping keeps its file's lock until it is gone, however its process ends.
 */
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

namespace ligase {

/** A system call that failed. */
class Failure : public std::runtime_error {
 public:
  Failure(int number, const std::string& call);
  /** As `ENOSPC`. */
  const std::string code;
};

/** A range of memory over a file; unmapped at the end of its life. */
class Mapping {
 public:
  /** @param flags - MAP_SHARED or MAP_PRIVATE. @throws Failure */
  Mapping(int file, size_t bytes, int flags);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  uint8_t* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  /** Page tables at once instead of at each first touch. Best effort. */
  void populate(bool for_writing);
  /** From now on what is written stays in this process. @throws Failure */
  void make_private(int file);

 private:
  uint8_t* data_;
  size_t bytes_;
};

/** One open file. Not thread-safe. */
class Region {
 public:
  /** A new file that nobody else has. @throws Failure EEXIST, ENOSPC, ... and leaves no file. */
  static Region create(const std::string& path, size_t bytes);
  /**
   * An existing file of this user, with a shared lock: pinned.
   * @throws Failure ENOENT; EAGAIN while somebody has it alone; EPERM for anything but a regular
   * file of this user.
   */
  static Region open(const std::string& path);

  Region(Region&& other) noexcept;
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  ~Region();

  size_t bytes() const { return bytes_; }
  bool is_open() const { return file_ >= 0; }
  bool is_writable() const { return writable_; }
  int file() const { return file_; }

  /** Copies in: offset + length <= bytes(); through a mapping where `keep()` made one. */
  void write(size_t offset, const uint8_t* from, size_t length);
  /** Copies out: offset + length <= bytes(). */
  void read(size_t offset, uint8_t* to, size_t length) const;
  /** Maps it for the writes to come: what is written often goes at the speed of memory. */
  void keep();
  /** All bytes exist from now on. @throws Failure ENOSPC */
  void reserve();
  /** Whether they do: reading a hole could end in SIGBUS. @throws Failure */
  bool is_whole() const;
  /** Nobody of this user opens it for writing any more, or again. */
  void set_writable(bool writable);
  /** @returns whether it could be had at once. */
  bool try_lock(bool alone);
  void unlock();
  /** Gives up the file; mappings stay. */
  void close();

 private:
  Region(int file, size_t bytes, bool writable);
  int file_;
  size_t bytes_;
  bool writable_;
  std::unique_ptr<Mapping> kept_;
};

}  // namespace ligase
