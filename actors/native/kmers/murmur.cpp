/** MurmurHash3 x64 128. Source: Austin Appleby, SMHasher, MurmurHash3.cpp (public domain). */
#include <cstring>

#include "kmers.h"

namespace ligase {
namespace {

constexpr uint64_t C1 = 0x87c37b91114253d5ULL;
constexpr uint64_t C2 = 0x4cf5ad432745937fULL;

uint64_t rotated(uint64_t value, int bits) { return (value << bits) | (value >> (64 - bits)); }

uint64_t eight(const uint8_t* from) {
  uint64_t value = 0;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

/** The first n < 8 bytes of eight. */
uint64_t first_bytes(uint64_t value, size_t n) { return value & ((uint64_t(1) << (8 * n)) - 1); }

}  // namespace

uint64_t murmur_hash(const uint8_t* from, size_t n, uint64_t seed) {
  uint64_t h1 = seed;
  uint64_t h2 = seed;
  const size_t blocks = n / 16;
  for (size_t i = 0; i < blocks; i++) {
    h1 ^= rotated(eight(from + i * 16) * C1, 31) * C2;
    h1 = (rotated(h1, 27) + h2) * 5 + 0x52dce729;
    h2 ^= rotated(eight(from + i * 16 + 8) * C2, 33) * C1;
    h2 = (rotated(h2, 31) + h1) * 5 + 0x38495ab5;
  }
  const uint8_t* tail = from + blocks * 16;
  const size_t rest = n % 16;
  if (rest > 8) h2 ^= rotated(first_bytes(eight(tail + 8), rest - 8) * C2, 33) * C1;
  if (rest > 0) {
    const uint64_t low = rest >= 8 ? eight(tail) : first_bytes(eight(tail), rest);
    h1 ^= rotated(low * C1, 31) * C2;
  }
  h1 ^= n;
  h2 ^= n;
  h1 += h2;
  h2 += h1;
  return spread(h1) + spread(h2);
}

}  // namespace ligase
