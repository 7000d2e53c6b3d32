// Owns the fp32 form of embeddings that the selector multiplies, and the bound of its error.
//
// x' = fp32((x / norm - centre) * scale): the centre makes norms, and with them errors, small; the
// scale is a power of two that keeps squares within fp32. With u = 2^-24, s = |x'|^2 in fp64 and
// v = fp32(s_y (1 - e) / 2) - <x', y'> in fp32, summed in any order, half the squared distance h of
// x and y (times scale^2) satisfies
//   v <= h - r_x <= v + e (s_x + s_y) + tiny,   r_x = s_x (1 - e) / 2, the same for all y,
// for e >= (D + 9) u / (1 - D u): D u |x'||y'| <= D u (s_x + s_y) / 2 of the sum, the rest of
// rounding x', s and v; `tiny` covers products that underflow. The fp64 distance that decides in
// the end differs from the exact one by D 2^-53 of it, far within what e has to spare.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <vector>

#include "compute/collapse.h"

namespace ligase {

struct Scaling {
  std::vector<double> centre;
  double scale = 1;
  /// e of the bound.
  double epsilon = 0;
  double tiny = 0;
};

/// Centre = median by coordinate of up to 1,024 nodes, which far outliers don't move; the largest
/// norm becomes 2^60. All ranks get the same. Collective.
/// @param norms - of the rank's nodes, or empty.
Scaling chooseScaling(MPI_Comm comm, const Nodes& nodes, const std::vector<double>& norms);

/// Rows [first, first + lanes) in fp32 form, d-major: out[d * lanes + lane]; those from `end` on
/// are zeros. Not collective.
/// @param norms - of the rows, or nullptr.
/// @param squares - s of each lane.
void packScaled(const Scaling& scaling, const float* rows, const double* norms, int64_t first,
                int64_t end, int64_t lanes, float* out, double* squares);

}  // namespace ligase
