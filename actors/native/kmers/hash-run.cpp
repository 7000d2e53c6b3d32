/** See hash-run.h: the form for any processor. */
#include "hash-run.h"

#include <cstring>

#include "kmers.h"

namespace ligase {
namespace {

constexpr uint64_t SEED = 42;

/** Letters by byte: itself in upper case with T for U, or 0; and its complement. */
struct Letters {
  uint8_t own[256] = {};
  uint8_t mate[256] = {};
  Letters() {
    const char* from = "ACGTUacgtu";
    const char* own_letters = "ACGTTACGTT";
    const char* mate_letters = "TGCAATGCAA";
    for (size_t i = 0; from[i] != 0; i++) {
      own[uint8_t(from[i])] = uint8_t(own_letters[i]);
      mate[uint8_t(from[i])] = uint8_t(mate_letters[i]);
    }
  }
};

const Letters letters;

}  // namespace

void strands_of(const uint8_t* bases, size_t n, uint8_t* forward, uint8_t* backward) {
  for (size_t i = 0; i < n; i++) {
    forward[i] = letters.own[bases[i]];
    backward[n - 1 - i] = letters.mate[bases[i]];
  }
}

size_t hash_run(const Run& run, uint64_t most_hash, uint64_t* to) {
  const auto [forward, backward, n, k] = run;
  size_t count = 0;
  for (size_t at = 0; at + k <= n; at++) {
    const uint8_t* one = forward + at;
    const uint8_t* other = backward + (n - k - at);
    const uint64_t hash = murmur_hash(std::memcmp(one, other, k) <= 0 ? one : other, k, SEED);
    if (hash <= most_hash) to[count++] = hash;
  }
  return count;
}

}  // namespace ligase
