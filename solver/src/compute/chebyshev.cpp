// Owns the coefficients of the heat kernel; see chebyshev.h.
#include "compute/chebyshev.h"

#include <algorithm>
#include <cmath>

namespace ligase {

namespace {

/// exp(-t) I_k(t) for k = 0 .. last, from ratios I_k / I_(k-1) found backwards: nothing overflows.
/// Source: Numerical Recipes 6.6 and DLMF 10.33.1 (continued fraction), 10.35.5 (sum = exp(t)).
std::vector<double> scaledBessel(double t, int64_t last) {
  std::vector<double> values((size_t)last + 1);
  double ratio = 0;
  for (int64_t k = last; k >= 1; k--) {
    ratio = 1 / (2 * (double)k / t + ratio);
    values[(size_t)k] = ratio;
  }
  values[0] = 1;
  double sum = 1;
  for (size_t k = 1; k < values.size(); k++) {
    values[k] *= values[k - 1];
    sum += 2 * values[k];
  }
  for (double& value : values) value /= sum;
  return values;
}

}  // namespace

Expansion chebyshevExpansion(double t, double amplification, double tolerance) {
  // Far behind the last term in use: exp(-t) I_k(t) falls faster than any power from k ~ t on.
  const int64_t last = 400 + 2 * (int64_t)std::ceil(t);
  std::vector<double> values = scaledBessel(t, last);
  const double growth = 1 + std::sqrt(2.0);
  std::vector<double> norm(values.size(), 1.0);
  for (size_t k = 1; k < norm.size(); k++) norm[k] = std::min(norm[k - 1] * growth, amplification);
  size_t terms = values.size();
  double error = 0;
  for (; terms > 1; terms--) {
    const double rest = error + 2 * values[terms - 1] * norm[terms - 1];
    if (rest > tolerance) break;
    error = rest;
  }
  values.resize(terms);
  for (size_t k = 1; k < values.size(); k++) values[k] *= 2;
  return {values, error};
}

}  // namespace ligase
