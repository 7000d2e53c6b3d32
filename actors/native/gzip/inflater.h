/**
 * Gzip as a stream: one member or many, in pieces of any size, every checksum checked. On the way
 * it can leave restart points, from which another inflater goes on without what came before.
 *
 * Invariant: begin_ <= input_.size(); fed_ counts all bytes that were given; the inflater has
 * consumed fed_ - (input_.size() - begin_) of them. Not thread-safe: one call at a time.
 */
#pragma once
#include <memory>
#include <vector>

#include "../text/batch.h"

struct inflate_state;

namespace ligase {

/** What is wrong with a stream; the numbers are those of the table in gzip.ts. */
enum class GzipFault : int { none = 0, header = 1, data = 2, checksum = 3, cut = 4, tail = 5 };

/** A place between two blocks of a stream. */
struct RestartPoint {
  /** Of the compressed file. */
  double bit;
  /** Inflated bytes before it, of the file and of its member. */
  double out;
  uint32_t member_out;
  /** Checksum of its member's bytes so far. */
  uint32_t crc;
  /** A member begins here; the window is empty then. */
  bool at_member;
  /** Up to 32 KiB of what was inflated before it. */
  std::vector<uint8_t> window;
};

class GzipInflater {
 public:
  enum class State : int { full = 0, needs_input = 1, ended = 2, fault = 3 };

  /** @param spacing - inflated bytes between restart points, at least; 0: none are left. */
  explicit GzipInflater(double spacing);
  /** Goes on at a point; what is fed then begins at byte floor(bit / 8) of the file. */
  GzipInflater(double spacing, const RestartPoint& from);
  ~GzipInflater();

  /** Copies compressed bytes in. */
  void feed(const uint8_t* bytes, size_t n);
  /** Says that nothing follows. */
  void end() { at_end_ = true; }
  /** Appends up to `most` inflated bytes to `out`. A fault stays. */
  State next(size_t most, Array<uint8_t>& out);

  GzipFault fault() const { return fault_; }
  /** Compressed bytes of the file consumed; of a fault: about where it is. */
  double consumed() const { return fed_ - double(input_.size() - begin_); }
  /** Zero bytes after the last member. */
  double padding() const { return padding_; }
  /** The points since the last call. */
  std::vector<RestartPoint> take_points() { return std::exchange(points_, {}); }

 private:
  void begin_member();
  bool pass_padding();
  State between(Array<uint8_t>& out, size_t before);
  State inflate_some(size_t most, Array<uint8_t>& out, size_t before);
  size_t piece() const;
  void look_for_point(const Array<uint8_t>& out, size_t before);
  void add_point(double bit, bool at_member, const Array<uint8_t>& out, size_t before);
  void remember(const Array<uint8_t>& out, size_t before);
  State fail(GzipFault fault);

  std::unique_ptr<inflate_state> state_;
  double spacing_;
  Array<uint8_t> input_;
  size_t begin_ = 0;
  double fed_ = 0;
  bool at_end_ = false;
  bool in_member_ = false;
  bool any_member_ = false;
  bool wants_point_ = false;
  /** Bits to drop from the first byte after a restart. */
  int skip_bits_ = 0;
  double out_ = 0;
  double last_point_ = 0;
  double padding_ = 0;
  GzipFault fault_ = GzipFault::none;
  std::vector<uint8_t> history_;
  std::vector<RestartPoint> points_;
};

/** What came of inflating whole blocks of BGZF. */
struct BlocksInflated {
  GzipFault fault;
  /** Bytes of the blocks that were inflated. */
  size_t consumed;
};

/** Appends what the whole BGZF blocks in bytes[0, n) hold; a block that is cut stays. */
BlocksInflated inflate_blocks(const uint8_t* bytes, size_t n, Array<uint8_t>& out);

}  // namespace ligase
