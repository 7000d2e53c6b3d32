// Owns two loops, compiled for three instruction sets, with contraction to FMA (CMakeLists.txt);
// see selector.h.
#include "search/selector.h"

namespace ligase {

namespace {

template <int Lanes>
struct Vector {
  typedef float type __attribute__((vector_size(Lanes * 4)));
};

/// Q queries against U vectors of lanes; the Q * U accumulators stay in registers.
template <int Lanes, int U, int Q>
[[gnu::always_inline]] inline void tile(const float* group, const float* panel, const float* half,
                                        int64_t dimensions, float* out) {
  using V = typename Vector<Lanes>::type;
  V sum[Q][U] = {};
  for (int64_t d = 0; d < dimensions; d++) {
    const float* x = group + d * selectorQueries;
    const float* y = panel + d * selectorLanes;
    V candidate[U];
#pragma GCC unroll 16
    for (int u = 0; u < U; u++) candidate[u] = *(const V*)(y + u * Lanes);
#pragma GCC unroll 16
    for (int q = 0; q < Q; q++) {
#pragma GCC unroll 16
      for (int u = 0; u < U; u++) sum[q][u] = sum[q][u] + x[q] * candidate[u];
    }
  }
#pragma GCC unroll 16
  for (int q = 0; q < Q; q++) {
#pragma GCC unroll 16
    for (int u = 0; u < U; u++) {
      *(V*)(out + q * selectorLanes + u * Lanes) = *(const V*)(half + u * Lanes) - sum[q][u];
    }
  }
}

template <int Lanes, int U, int Q>
[[gnu::always_inline]] inline void panels(const float* group, const float* panel,
                                          const float* half, int64_t dimensions, int64_t count,
                                          float* out) {
  for (int64_t p = 0; p < count; p++) {
    for (int lane = 0; lane < selectorLanes; lane += Lanes * U) {
      for (int query = 0; query < selectorQueries; query += Q) {
        tile<Lanes, U, Q>(group + query, panel + lane, half + lane, dimensions,
                          out + query * selectorLanes + lane);
      }
    }
    panel += dimensions * selectorLanes;
    half += selectorLanes;
    out += selectorQueries * selectorLanes;
  }
}

[[gnu::always_inline]] inline uint32_t nearPanels(const float* found, float threshold,
                                                  int64_t count) {
  uint32_t panels = 0;
  for (int64_t p = 0; p < count; p++, found += selectorQueries * selectorLanes) {
    int near = 0;
    for (int lane = 0; lane < selectorLanes; lane++) near |= found[lane] <= threshold ? 1 : 0;
    panels |= (uint32_t)near << p;
  }
  return panels;
}

uint32_t baselineNear(const float* found, float threshold, int64_t panels) {
  return nearPanels(found, threshold, panels);
}

void baseline(const float* group, const float* panel, const float* half, int64_t dimensions,
              int64_t count, float* out) {
  panels<4, 2, 4>(group, panel, half, dimensions, count, out);
}

#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] void avx2(const float* group, const float* panel, const float* half,
                                      int64_t dimensions, int64_t count, float* out) {
  panels<8, 2, 6>(group, panel, half, dimensions, count, out);
}

[[gnu::target("avx2,fma")]] uint32_t avx2Near(const float* found, float threshold,
                                              int64_t panels) {
  return nearPanels(found, threshold, panels);
}

[[gnu::target("avx512f")]] uint32_t avx512Near(const float* found, float threshold,
                                               int64_t panels) {
  return nearPanels(found, threshold, panels);
}

[[gnu::target("avx512f")]] void avx512(const float* group, const float* panel, const float* half,
                                       int64_t dimensions, int64_t count, float* out) {
  panels<16, 2, 12>(group, panel, half, dimensions, count, out);
}
#endif

}  // namespace

SelectorKernels selectorFor(const Isa& isa) {
#if defined(__x86_64__)
  if (isa.name == "avx512") return {avx512, avx512Near};
  // There are CPUs with AVX2 and no FMA.
  if (isa.name == "avx2" && __builtin_cpu_supports("fma")) return {avx2, avx2Near};
#else
  (void)isa;
#endif
  return {baseline, baselineNear};
}

}  // namespace ligase
