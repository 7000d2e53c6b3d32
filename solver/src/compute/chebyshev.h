// Owns the expansion exp(-t (1 - x)) = c_0 + 2 sum_k c_k T_k(x), c_k = exp(-t) I_k(t), on [-1, 1].
// Invariants: all c_k >= 0 and c_0 + 2 sum c_k = 1; computed by rounded +, *, / alone.
#pragma once

#include <cstdint>
#include <vector>

namespace ligase {

struct Expansion {
  /// c_0, 2 c_1, 2 c_2 ...
  std::vector<double> coefficients;
  /// Bound of what the terms left out do to a vector within [-1, 1], in the maximum norm.
  double error = 0;
};

/// The coefficients up to where the rest is below `tolerance` for the propagator P = D^-1 W in the
/// maximum norm. Not collective.
///
/// T_k(P) applied to a vector within [-1, 1] is at most min((1 + sqrt 2)^k, amplification): the sum
/// of T_k's own coefficients' sizes, as P is stochastic, and, as T_k(S) <= 1 for the symmetric
/// S = D^1/2 P D^-1/2, the amplification. So the bound holds however small a degree is.
/// @param t - time, > 0.
/// @param amplification - root of largest over smallest positive degree; >= 1.
Expansion chebyshevExpansion(double t, double amplification, double tolerance);

}  // namespace ligase
