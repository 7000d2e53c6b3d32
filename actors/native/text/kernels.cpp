/** The plain kernels, the alphabets, and the choice of a level by what the processor has. */
#include "kernels.h"

#include <cstring>

namespace ligase {
namespace {

size_t find(const uint8_t* from, size_t n, uint8_t byte) {
  const void* found = n == 0 ? nullptr : std::memchr(from, byte, n);
  return found == nullptr ? n : static_cast<size_t>(static_cast<const uint8_t*>(found) - from);
}

size_t copy_within(const uint8_t* from, size_t n, const Alphabet& alphabet, uint8_t* to) {
  if (n > 0) std::memcpy(to, from, n);
  for (size_t i = 0; i < n; i++) {
    if (alphabet.valid[from[i]] == 0) return i;
  }
  return n;
}

size_t copy_between(const uint8_t* from, size_t n, uint8_t first, uint8_t last, uint8_t* to) {
  if (n > 0) std::memcpy(to, from, n);
  for (size_t i = 0; i < n; i++) {
    if (from[i] < first || from[i] > last) return i;
  }
  return n;
}

ReadSums sums(const uint8_t* bases, const uint8_t* qualities, size_t n, uint8_t limit) {
  ReadSums found{0, 0, 0};
  for (size_t i = 0; i < n; i++) {
    found.below += qualities[i] < limit;
    found.unknown += bases[i] == 'N';
    found.total += qualities[i];
  }
  return found;
}

uint32_t differences(const uint8_t* a, const uint8_t* b, size_t n) {
  uint32_t count = 0;
  for (size_t i = 0; i < n; i++) count += a[i] != b[i];
  return count;
}

size_t find_similar(const uint8_t* wanted, size_t length, const uint8_t* text, size_t begin,
                    size_t end, size_t n) {
  for (size_t at = begin; at < end; at++) {
    const size_t inside = length < n - at ? length : n - at;
    const size_t compared = inside < KERNEL_PADDING ? inside : KERNEL_PADDING;
    size_t different = 0;
    for (size_t i = 0; i < compared && different <= inside / 8; i++) {
      different += wanted[i] != text[at + i];
    }
    if (different <= inside / 8) return at;
  }
  return end;
}

/** Rows of the shuffle tables: equal rows share a bit. */
void fill_rows(Alphabet& alphabet) {
  int kinds = 0;
  uint16_t rows[8] = {};
  for (int high = 0; high < 16; high++) {
    uint16_t row = 0;
    for (int low = 0; low < 16; low++) row |= uint16_t(alphabet.valid[high * 16 + low] << low);
    if (row == 0) continue;
    int kind = 0;
    while (kind < kinds && rows[kind] != row) kind++;
    if (kind == kinds) rows[kinds++] = row;
    alphabet.high[high] = uint8_t(1 << kind);
    for (int low = 0; low < 16; low++) {
      if ((row >> low) & 1) alphabet.low[low] |= uint8_t(1 << kind);
    }
  }
}

}  // namespace

Alphabet alphabet_of(const char* letters) {
  Alphabet alphabet{};
  for (; *letters != 0; letters++) alphabet.valid[static_cast<uint8_t>(*letters)] = 1;
  fill_rows(alphabet);
  return alphabet;
}

const Alphabet& nucleotides() {
  static const Alphabet set = alphabet_of("ACGTUNRYSWKMBDHVXacgtunryswkmbdhvx.-*");
  return set;
}

const Alphabet& residues() {
  static const Alphabet set =
      alphabet_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.-*");
  return set;
}

const Kernels plain_kernels{find, copy_within, copy_between, sums, differences, find_similar};

Level best_level() {
#if defined(__x86_64__)
  const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (wide) return Level::avx512;
  if (__builtin_cpu_supports("avx2")) return Level::avx2;
#endif
  return Level::plain;
}

const Kernels& kernels_of(Level level) {
  const Level best = best_level();
  const Level chosen = static_cast<int>(level) < static_cast<int>(best) ? level : best;
#if defined(__x86_64__)
  if (chosen == Level::avx512) return avx512_kernels;
  if (chosen == Level::avx2) return avx2_kernels;
#endif
  static_cast<void>(chosen);
  return plain_kernels;
}

}  // namespace ligase
