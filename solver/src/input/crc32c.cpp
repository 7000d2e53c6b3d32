// Owns CRC-32C by tables, eight bytes at a time: ~2 GB/s, more than a disk gives; see crc32c.h.
#include "input/crc32c.h"

#include <array>
#include <bit>
#include <cstring>

namespace ligase {

namespace {

using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables makeTables() {
  Tables tables{};
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0);
    tables[0][i] = crc;
  }
  for (size_t t = 1; t < 8; t++) {
    for (size_t i = 0; i < 256; i++) {
      const uint32_t before = tables[t - 1][i];
      tables[t][i] = (before >> 8) ^ tables[0][before & 255];
    }
  }
  return tables;
}

constexpr Tables tables = makeTables();

}  // namespace

uint32_t crc32c(uint32_t crc, const void* data, size_t length) {
  static_assert(std::endian::native == std::endian::little, "words are read little-endian");
  const auto* bytes = static_cast<const uint8_t*>(data);
  crc = ~crc;
  for (; length >= 8; length -= 8, bytes += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes, 8);
    word ^= crc;
    crc = 0;
    for (size_t i = 0; i < 8; i++) crc ^= tables[7 - i][(word >> (8 * i)) & 255];
  }
  for (; length > 0; length--, bytes++) crc = (crc >> 8) ^ tables[0][(crc ^ *bytes) & 255];
  return ~crc;
}

}  // namespace ligase
