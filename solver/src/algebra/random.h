// Owns the solver's random numbers: each is a function of its key alone, so that no number depends
// on ranks, threads or the order of calls.
#pragma once

#include <cstdint>

namespace ligase {

/// What a random number is for; part of its key.
enum class Purpose : uint64_t { probe = 1, lanczos = 2, seeding = 3 };

/// 64 even bits of (seed, purpose, restart, draw). Not collective.
/// Source: finaliser of SplitMix64 (Steele, Lea, Flood 2014), once for each part of the key.
inline uint64_t randomBits(uint64_t seed, Purpose purpose, uint64_t restart, uint64_t draw) {
  uint64_t state = 0;
  for (const uint64_t part : {seed, (uint64_t)purpose, restart, draw}) {
    state += 0x9e3779b97f4a7c15 + part;
    state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
    state = (state ^ (state >> 27)) * 0x94d049bb133111eb;
    state ^= state >> 31;
  }
  return state;
}

/// A number of (0, 1), never an end of it. Not collective.
inline double randomUniform(uint64_t seed, Purpose purpose, uint64_t restart, uint64_t draw) {
  return ((double)(randomBits(seed, purpose, restart, draw) >> 12) + 0.5) * 0x1p-52;
}

}  // namespace ligase
