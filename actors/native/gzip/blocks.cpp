/** BGZF: gzip members of at most 64 KiB that say their own size, so that each inflates alone. */
#include <isa-l.h>

#include "inflater.h"

namespace ligase {
namespace {

constexpr size_t HEADER = 12;
constexpr size_t TRAILER = 8;

uint32_t two(const uint8_t* at) { return uint32_t(at[0]) | uint32_t(at[1]) << 8; }
uint32_t four(const uint8_t* at) { return two(at) | two(at + 2) << 16; }

/** Where the deflated bytes of a block begin and how long it is; size 0: it is no BGZF block. */
struct Block {
  size_t data;
  size_t size;
};

/** Reads the header at bytes[0, n); `cut` when more bytes are needed to tell. */
Block read_header(const uint8_t* bytes, size_t n, bool& cut) {
  cut = n < HEADER;
  if (cut) return {0, 0};
  if (bytes[0] != 0x1f || bytes[1] != 0x8b || bytes[2] != 8 || bytes[3] != 4) return {0, 0};
  const size_t end = HEADER + two(bytes + 10);
  cut = n < end;
  for (size_t at = HEADER; !cut && at + 4 <= end; at += 4 + two(bytes + at + 2)) {
    const bool is_size = bytes[at] == 'B' && bytes[at + 1] == 'C' && two(bytes + at + 2) == 2;
    if (is_size && at + 6 <= end) return {end, size_t(two(bytes + at + 4)) + 1};
  }
  return {0, 0};
}

/** Inflates one whole block; its checksum and size must be what the trailer says. */
GzipFault inflate_block(const uint8_t* bytes, const Block& block, Array<uint8_t>& out) {
  const uint8_t* trailer = bytes + block.size - TRAILER;
  const uint32_t size = four(trailer + 4);
  if (size > 64 * 1024) return GzipFault::checksum;
  static thread_local inflate_state state;
  isal_inflate_init(&state);
  state.crc_flag = ISAL_GZIP_NO_HDR;
  state.next_in = const_cast<uint8_t*>(bytes + block.data);
  state.avail_in = uint32_t(block.size - block.data - TRAILER);
  state.next_out = out.room(size + 1);
  state.avail_out = size + 1;
  const int result = isal_inflate_stateless(&state);
  if (result != ISAL_DECOMP_OK && result != ISAL_OUT_OVERFLOW) return GzipFault::data;
  if (state.total_out != size || state.crc != four(trailer)) return GzipFault::checksum;
  out.grow(size);
  return GzipFault::none;
}

}  // namespace

BlocksInflated inflate_blocks(const uint8_t* bytes, size_t n, Array<uint8_t>& out) {
  size_t at = 0;
  while (at < n) {
    bool cut = false;
    const Block block = read_header(bytes + at, n - at, cut);
    if (cut) break;
    if (block.size < block.data + TRAILER + 1) return {GzipFault::header, at};
    if (block.size > n - at) break;
    const GzipFault fault = inflate_block(bytes + at, block, out);
    if (fault != GzipFault::none) return {fault, at};
    at += block.size;
  }
  return {GzipFault::none, at};
}

}  // namespace ligase
