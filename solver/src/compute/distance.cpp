// Owns one loop, compiled for three instruction sets; see distance.h.
#include "compute/distance.h"

#include "common/errors.h"

namespace ligase {

namespace {

// Vectors of the compiler's own kind: each operation is elementwise IEEE arithmetic.
template <int Lanes>
struct Vector {
  typedef double type __attribute__((vector_size(Lanes * 8)));
};

/// Q queries against U vectors of lanes; the Q * U accumulators stay in registers.
template <int Lanes, int U, int Q>
[[gnu::always_inline]] inline void tile(const double* group, const double* panel,
                                        int64_t dimensions, double* out) {
  using V = typename Vector<Lanes>::type;
  V sum[Q][U] = {};
  for (int64_t d = 0; d < dimensions; d++) {
    const double* x = group + d * groupQueries;
    const double* y = panel + d * panelLanes;
#pragma GCC unroll 16
    for (int u = 0; u < U; u++) {
      const V candidate = *(const V*)(y + u * Lanes);
#pragma GCC unroll 16
      for (int q = 0; q < Q; q++) {
        const V difference = x[q] - candidate;
        sum[q][u] = sum[q][u] + difference * difference;
      }
    }
  }
#pragma GCC unroll 16
  for (int q = 0; q < Q; q++) {
#pragma GCC unroll 16
    for (int u = 0; u < U; u++) *(V*)(out + q * panelLanes + u * Lanes) = sum[q][u];
  }
}

template <int Lanes, int U, int Q>
[[gnu::always_inline]] inline void panels(const double* group, const double* panel,
                                          int64_t dimensions, int64_t count, double* out) {
  for (int64_t p = 0; p < count; p++) {
    for (int lane = 0; lane < panelLanes; lane += Lanes * U) {
      for (int query = 0; query < groupQueries; query += Q) {
        tile<Lanes, U, Q>(group + query, panel + lane, dimensions,
                          out + query * panelLanes + lane);
      }
    }
    panel += dimensions * panelLanes;
    out += groupQueries * panelLanes;
  }
}

void baseline(const double* group, const double* panel, int64_t dimensions, int64_t count,
              double* out) {
  panels<2, 2, 4>(group, panel, dimensions, count, out);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] void avx2(const double* group, const double* panel, int64_t dimensions,
                                  int64_t count, double* out) {
  panels<4, 2, 4>(group, panel, dimensions, count, out);
}

[[gnu::target("avx512f")]] void avx512(const double* group, const double* panel,
                                       int64_t dimensions, int64_t count, double* out) {
  panels<8, 2, 8>(group, panel, dimensions, count, out);
}
#endif

}  // namespace

Isa chooseIsa(const std::string& name) {
  const bool any = name.empty();
#if defined(__x86_64__)
  __builtin_cpu_init();
  if ((any || name == "avx512") && __builtin_cpu_supports("avx512f")) return {"avx512", avx512};
  if ((any || name == "avx2") && __builtin_cpu_supports("avx2")) return {"avx2", avx2};
#endif
  if (any || name == "baseline") return {"baseline", baseline};
  throw SolverError(Exit::usage, "instruction set unknown or not supported here: " + name);
}

}  // namespace ligase
