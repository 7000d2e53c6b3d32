/**
 * The loops over bytes that have a form for each instruction set, and the choice between them. All
 * forms give equal results; the tests force each in turn.
 *
 * Invariant: a kernel reads and writes within [0, n) of what it was given and nothing else, and has
 * no state. Not collective; nothing is allocated.
 */
#pragma once
#include <cstddef>
#include <cstdint>

namespace ligase {

/** Bytes that may stand in a sequence; valid[byte] is 1 for them. */
struct Alphabet {
  uint8_t valid[256];
  /**
   * The same for shuffles: a byte is valid when low[byte & 15] & high[byte >> 4] isn't 0. Holds for
   * sets with at most eight kinds of rows (bytes that share their upper four bits).
   */
  uint8_t low[16];
  uint8_t high[16];
};

/** The set of the listed characters. @param letters - ASCII, ended by 0. */
Alphabet alphabet_of(const char* letters);

/** Bases with IUPAC codes, U, gap and stop, in either case. */
const Alphabet& nucleotides();
/** The letters A to Z in either case, gap and stop. */
const Alphabet& residues();

/** What a read's qualities and bases come to, for filters. */
struct ReadSums {
  /** Qualities below the limit. */
  uint32_t below;
  /** Bases that are `N`. */
  uint32_t unknown;
  /** Sum of the quality bytes as they stand (offset included). */
  uint64_t total;
};

struct Kernels {
  /** Index of the first `byte` in from[0, n), or n. */
  size_t (*find)(const uint8_t* from, size_t n, uint8_t byte);
  /** Copies from[0, n) to `to`; index of the first byte outside the alphabet, or n. */
  size_t (*copy_within)(const uint8_t* from, size_t n, const Alphabet& alphabet, uint8_t* to);
  /** Copies from[0, n) to `to`; index of the first byte outside [first, last], or n. */
  size_t (*copy_between)(const uint8_t* from, size_t n, uint8_t first, uint8_t last, uint8_t* to);
  /** Sums over a read of n bases; a quality byte counts as below when it is < limit. */
  ReadSums (*sums)(const uint8_t* bases, const uint8_t* qualities, size_t n, uint8_t limit);
  /** How many i in [0, n) have a[i] != b[i]. */
  uint32_t (*differences)(const uint8_t* a, const uint8_t* b, size_t n);
  /**
   * The first place in [begin, end) of text[0, n) where wanted[0, length) may stand: of the bytes
   * that a vector holds, at most an eighth of all within the text differ. `end`: none does.
   * end <= n; 64 bytes must be readable from each place, and from `wanted`.
   */
  size_t (*find_similar)(const uint8_t* wanted, size_t length, const uint8_t* text, size_t begin,
                         size_t end, size_t n);
};

/** Bytes that must be readable behind a text for find_similar. */
constexpr size_t KERNEL_PADDING = 64;

enum class Level : int { plain = 0, avx2 = 1, avx512 = 2 };

/** The best level of this processor. */
Level best_level();
/** The kernels of a level; those of the best one where the processor lacks it. */
const Kernels& kernels_of(Level level);

extern const Kernels plain_kernels;
#if defined(__x86_64__)
extern const Kernels avx2_kernels;
extern const Kernels avx512_kernels;
#endif

}  // namespace ligase
