// Owns the fp32 matrix product that tells which nodes may be near: v = half(y) - <x, y> for groups
// of queries x and panels of candidates y.
// Invariant: no bit of it reaches the result; it may be summed in any order, with FMA. Whoever uses
// v must allow for its error (search/scaling.h).
//
// Estimate: a group of 12 x 32 pairs is 24 FMAs of 16 lanes for 2 loads and 12 broadcasts, so the
// FMA units bound it: 32 flop a cycle. Measured (AMD EPYC, one core, with the search for near
// values): 109 GFLOP/s at 128 dimensions, 113 at 1,024, with AVX2 104; OpenBLAS 0.3.21 reaches 80
// to 100 there without any search.
#pragma once

#include <cstdint>

#include "compute/distance.h"

namespace ligase {

/// Candidates of one panel, stored d-major: panel[d * selectorLanes + lane].
constexpr int selectorLanes = 32;
/// Queries of one group, stored d-major: group[d * selectorQueries + query].
constexpr int selectorQueries = 12;

/// @param half - half(y) of each candidate, [panels][selectorLanes].
/// @param out - v, [panels][selectorQueries][selectorLanes]. All pointers but `group` are aligned
///   to 64 bytes; panels are D * selectorLanes floats apart.
using SelectorKernel = void (*)(const float* group, const float* panel, const float* half,
                                int64_t dimensions, int64_t panels, float* out);

/// Which of `panels` <= 32 panels hold a value at most `threshold`, as bits.
/// @param found - v of one query in `out`: values of a panel stand together, panels
///   selectorQueries * selectorLanes apart.
using NearKernel = uint32_t (*)(const float* found, float threshold, int64_t panels);

struct SelectorKernels {
  SelectorKernel multiply;
  NearKernel near;
};

/// The kernels of an instruction set that chooseIsa gave. Not collective.
SelectorKernels selectorFor(const Isa& isa);

}  // namespace ligase
