// Owns the choice of one basis of an eigenspace.
// Invariant: the basis depends on the eigenspace alone (to rounding), not on which vectors of it
// were found; two nodes whose parts differ by less than one in a million count as equal, and the
// smaller node goes first.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <vector>

#include "algebra/basis.h"

namespace ligase {

/// Rotates columns [first, first + width), orthonormal, to the basis that the pivots give: the
/// first vector has all that the space holds of the pivot node, the node of which it holds most,
/// and is positive there; the others are 0 there, and are chosen likewise. Collective.
void rotateToPivots(MPI_Comm comm, Basis& basis, int64_t first, int64_t width);

}  // namespace ligase
