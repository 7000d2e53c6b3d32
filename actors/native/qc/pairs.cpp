/** See pairs.h. */
#include "pairs.h"

#include <algorithm>

namespace ligase {
namespace {

/** Places whose differences decide; over them, a longer overlap may differ as it likes. */
constexpr int COMPARED = 50;

struct Complements {
  uint8_t of[256];
  Complements() {
    std::fill(of, of + 256, uint8_t('N'));
    const char* pairs[] = {"AT", "TA", "CG", "GC"};
    for (const char* pair : pairs) {
      of[uint8_t(pair[0])] = uint8_t(pair[1]);
      of[uint8_t(pair[0] + 32)] = uint8_t(pair[1]);
    }
  }
};

const Complements complements;

/** Whether n places agree well enough to be an overlap; sets its differences then. */
bool agrees(const QcOptions& options, const Kernels& kernels, const uint8_t* a, const uint8_t* b,
            int n, int& differences) {
  const double share = options.overlap_difference_percent / 100.0;
  const int limit = std::min(options.overlap_difference_limit, int(n * share));
  const int compared = std::min(n, COMPARED);
  // Most places fail within a few bases.
  int early = 0;
  for (int i = 0; i < std::min(n, 16); i++) early += a[i] != b[i];
  if (early > limit) return false;
  differences = int(kernels.differences(a, b, size_t(compared)));
  if (differences > limit) return false;
  differences += int(kernels.differences(a + compared, b + compared, size_t(n - compared)));
  return true;
}

/** Calls visit(place in mate 1, place in mate 2) for each pair of bases that lie together. */
template <class Visit>
void over_pairs(const Overlap& overlap, const Read& second, Visit visit) {
  const int begin1 = std::max(0, overlap.offset);
  const int begin2 = second.n - std::max(0, -overlap.offset) - 1;
  for (int i = 0; i < overlap.length; i++) visit(begin1 + i, begin2 - i);
}

constexpr uint8_t GOOD = 33 + 30;
constexpr uint8_t POOR = 33 + 14;

/** 1: mate 1's base is the good one; 2: mate 2's; 0: neither, or they agree. */
int better(const Read& first, const Read& second, int p1, int p2) {
  if (first.bases[p1] == complement_of(second.bases[p2])) return 0;
  const uint8_t q1 = first.qualities[p1];
  const uint8_t q2 = second.qualities[p2];
  if (q1 >= GOOD && q2 <= POOR) return 1;
  return q2 >= GOOD && q1 <= POOR ? 2 : 0;
}

}  // namespace

uint8_t complement_of(uint8_t base) { return complements.of[base]; }

Overlap find_overlap(const QcOptions& options, const Kernels& kernels, const Read& first,
                     const Read& second, std::vector<uint8_t>& reversed) {
  reversed.resize(size_t(second.n));
  for (int i = 0; i < second.n; i++) {
    reversed[size_t(i)] = complement_of(second.bases[second.n - i - 1]);
  }
  const uint8_t* mate = reversed.data();
  int differences = 0;
  for (int offset = 0; offset < first.n - options.overlap_required; offset++) {
    const int n = std::min(first.n - offset, second.n);
    if (agrees(options, kernels, first.bases + offset, mate, n, differences)) {
      return Overlap{true, offset, n, differences};
    }
  }
  for (int back = 0; back < second.n - options.overlap_required; back++) {
    const int n = std::min(first.n, second.n - back);
    if (agrees(options, kernels, first.bases, mate + back, n, differences)) {
      return Overlap{true, -back, n, differences};
    }
  }
  return Overlap{};
}

bool is_correctable(const Overlap& overlap, const Read& first, const Read& second) {
  if (!overlap.found || overlap.differences == 0) return false;
  bool any = false;
  over_pairs(overlap, second, [&](int p1, int p2) { any |= better(first, second, p1, p2) != 0; });
  return any;
}

void correct(const Overlap& overlap, Read& first, Read& second, PairCounts& counts) {
  bool changed[3] = {};
  over_pairs(overlap, second, [&](int p1, int p2) {
    const int good = better(first, second, p1, p2);
    if (good == 0) return;
    if (good == 1) {
      second.bases[p2] = complement_of(first.bases[p1]);
      second.qualities[p2] = first.qualities[p1];
    } else {
      first.bases[p1] = complement_of(second.bases[p2]);
      first.qualities[p1] = second.qualities[p2];
    }
    changed[good] = true;
    counts.corrected_bases += 1;
  });
  counts.corrected_reads += uint64_t(changed[1]) + uint64_t(changed[2]);
}

bool trim_overhang(const Overlap& overlap, Read& first, Read& second, TrimCounts& counts) {
  if (!overlap.found || overlap.offset >= 0) return false;
  const int n1 = std::min(first.n, overlap.length + second.front);
  const int n2 = std::min(second.n, overlap.length + first.front);
  counts.adapter_reads += 2;
  counts.adapter_bases += uint64_t(first.n - n1) + uint64_t(second.n - n2);
  first.n = n1;
  second.n = n2;
  return true;
}

}  // namespace ligase
