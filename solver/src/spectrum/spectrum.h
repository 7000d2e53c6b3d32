// Owns the smallest non-trivial eigenpairs of L_sym = I - D^-1/2 W D^-1/2 of each large component.
// Invariants: eigenvalues ascend to 1e-8 (a multiple one's vectors are in the order of their
// pivots); a vector is 0 outside its component, of length 1, orthogonal to D^1/2 1 and to the
// others, and its signs and rotation follow pivots.h; every residual is the true one.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <vector>

#include "compute/graph.h"
#include "spectrum/lanczos.h"
#include "spectrum/parts.h"

namespace ligase {

struct PartSpectrum {
  Part part;
  /// Without the 0 of the component itself; at most `modes`, fewer in a component of few nodes.
  std::vector<double> values;
  /// || L v - value v ||.
  std::vector<double> residuals;
};

struct Spectrum {
  /// Most values of any part: the width of `vectors`.
  int64_t modes = 0;
  std::vector<PartSpectrum> parts;
  /// [owned nodes, modes], row-major: mode j of the node's own component; 0 where there is none.
  std::vector<double> vectors;
  /// Products with the matrix, in vectors.
  int64_t products = 0;
};

struct SpectrumOptions {
  /// Non-trivial modes of each part; 0: none are sought.
  int64_t modes = 16;
  uint64_t seed = 0;
  LanczosSizes sizes = {};
  /// Parts of at most this many nodes are solved densely by one rank.
  int64_t denseMax = 400;
};

/// A residual that counts as converged.
constexpr double residualMax = 1e-8;

/// The spectrum of the graph. Collective.
Spectrum findSpectrum(MPI_Comm comm, const Graph& graph, const SpectrumOptions& options);

}  // namespace ligase
