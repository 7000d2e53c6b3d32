// Owns CRC-32C: by the CPU's instruction where there is one, else by tables, eight bytes at a time;
// see crc32c.h.
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

/// The register after more bytes, without the inversions at start and end.
uint32_t byTables(uint32_t crc, const uint8_t* bytes, size_t length) {
  for (; length >= 8; length -= 8, bytes += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes, 8);
    word ^= crc;
    crc = 0;
    for (size_t i = 0; i < 8; i++) crc ^= tables[7 - i][(word >> (8 * i)) & 255];
  }
  for (; length > 0; length--, bytes++) crc = (crc >> 8) ^ tables[0][(crc ^ *bytes) & 255];
  return crc;
}

#if defined(__x86_64__)
[[gnu::target("sse4.2")]] uint32_t byInstruction(uint32_t crc, const uint8_t* bytes,
                                                 size_t length) {
  uint64_t sum = crc;
  for (; length >= 8; length -= 8, bytes += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes, 8);
    sum = __builtin_ia32_crc32di(sum, word);
  }
  crc = (uint32_t)sum;
  for (; length > 0; length--, bytes++) crc = __builtin_ia32_crc32qi(crc, *bytes);
  return crc;
}
#endif

/// Product of two polynomials modulo that of the checksum; the highest bit is x^0.
uint32_t product(uint32_t a, uint32_t b) {
  uint32_t sum = 0;
  for (uint32_t bit = 1U << 31; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) sum ^= b;
    b = (b >> 1) ^ ((b & 1) != 0 ? 0x82f63b78U : 0);
  }
  return sum;
}

}  // namespace

uint32_t crc32c(uint32_t crc, const void* data, size_t length) {
  static_assert(std::endian::native == std::endian::little, "words are read little-endian");
  const auto* bytes = static_cast<const uint8_t*>(data);
#if defined(__x86_64__)
  static const bool instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (instruction) return ~byInstruction(~crc, bytes, length);
#endif
  return ~byTables(~crc, bytes, length);
}

uint32_t crc32cShift(uint32_t crc, uint64_t after) {
  uint32_t power = 1U << 23;  // x^8: one byte.
  for (; after != 0; after >>= 1) {
    if ((after & 1) != 0) crc = product(crc, power);
    power = product(power, power);
  }
  return crc;
}

}  // namespace ligase
