// Owns the hot loop: squared distances of 8 queries to panels of 16 candidates.
// Invariants: every distance is the fp64 sum over d in index order of (x - y)^2 with one
// accumulator, a rounded subtraction, multiplication and addition each (no FMA), whatever the
// instruction set: candidates lie in SIMD lanes, so wider lanes change no operation.
//
// Estimate: 3 vector operations per 8 pairs and dimension; 20,000^2 pairs x 136 dimensions are
// 2.0e10 AVX-512 operations, 2 of 3 on the adders: ~1.4e10 cycles, ~4 s at 3.5 GHz on one core
// with one 512-bit adder. Measured (AMD EPYC, 2 cores, whole search): 4.1 s on one rank, 2.2 s on
// two; the bare loop 3.7 s with AVX-512, 3.8 s with AVX2, 9.1 s with SSE2.
#pragma once

#include <cstdint>
#include <string>

namespace ligase {

/// Candidates of one panel, stored d-major: panel[d * panelLanes + lane].
constexpr int panelLanes = 16;
/// Queries of one group, stored d-major: group[d * groupQueries + query].
constexpr int groupQueries = 8;

/// Squared distances of one group to `panels` panels; panels are D * panelLanes doubles apart.
/// @param out - [panels][groupQueries][panelLanes]; all pointers aligned to 64 bytes.
using DistanceKernel = void (*)(const double* group, const double* panel, int64_t dimensions,
                                int64_t panels, double* out);

struct Isa {
  std::string name;
  DistanceKernel kernel;
};

/// The widest kernel this CPU runs, or the one called `name` (`avx512`, `avx2`, `baseline`).
/// Not collective. @throws SolverError USAGE when `name` is unknown or not supported here.
Isa chooseIsa(const std::string& name);

}  // namespace ligase
