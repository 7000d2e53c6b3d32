// Owns how a new block of vectors becomes orthonormal to all before it and in itself.
// Invariants: W before = Q h + W after x r; a vector that lies in the span of the others is
// replaced by a random one, with a zero row in r.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <vector>

#include "algebra/basis.h"

namespace ligase {

/// Key of the random vectors of one Lanczos run.
struct RandomKey {
  uint64_t seed;
  /// Number of the run; each has its own random vectors.
  uint64_t run;
};

struct Coupling {
  /// Column-major [height, width]: what W had of the vectors before it.
  std::vector<double> h;
  /// Column-major [width, width].
  std::vector<double> r;
};

/// Fills columns [first, first + width) with random numbers of (-1, 1), the same on any ranks.
/// Not collective. @param draw - keeps apart the vectors of one run; taken: draw .. draw + width.
void fillRandom(Basis& basis, int64_t first, int64_t width, const RandomKey& key, uint64_t draw);

/// Makes the block at columns [height, height + width) orthonormal to columns [0, height) and in
/// itself. Collective.
/// @param draws - random vectors taken so far in this run; counted on.
/// @throws SolverError INTERNAL when it can't: fewer nodes than vectors.
Coupling orthonormalize(Basis& basis, int64_t height, int64_t width, const RandomKey& key,
                        uint64_t& draws);

}  // namespace ligase
