/**
 * The loop of a sketch: hashes of all k-mers of a run of bases. It has a form for each instruction
 * set that has one of its own; all give equal hashes.
 *
 * Invariant: a form reads within the two strands with their padding, and has no state.
 */
#pragma once
#include <cstddef>
#include <cstdint>

namespace ligase {

/** Bytes that must be readable before and behind each strand of a run. */
constexpr size_t RUN_PADDING = 64;

/** A run of n >= k upper-case letters of A C G T, and its other strand, read backwards. */
struct Run {
  const uint8_t* forward;
  const uint8_t* backward;
  size_t n;
  size_t k;
};

/**
 * Writes the hashes up to most_hash of a run's k-mers (the smaller strand of each) to `to`, in
 * their order; @returns how many there are. `to` has room for n - k + 1. 1 <= k <= 31.
 */
using HashRun = size_t (*)(const Run& run, uint64_t most_hash, uint64_t* to);

size_t hash_run(const Run& run, uint64_t most_hash, uint64_t* to);
#if defined(__x86_64__)
size_t hash_run_avx512(const Run& run, uint64_t most_hash, uint64_t* to);
#endif

/** Letters of [0, n) as upper-case A C G T, U as T, anything else 0, and their complements. */
void strands_of(const uint8_t* bases, size_t n, uint8_t* forward, uint8_t* backward);

}  // namespace ligase
