/**
 * Eight k-mers at a time. Eight windows that follow each other lie in 15 bytes, so that a load and
 * a shuffle give eight letters of each; MurmurHash3 (see murmur.cpp) then runs in eight lanes.
 *
 * Estimate: 14 multiplications and ~90 other steps for eight k-mers, ~12 cycles each; measured 3.6
 * ns a k-mer beside 12.2 of one lane.
 */
#if defined(__x86_64__)
#include "hash-run.h"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,popcnt,bmi")
#include <immintrin.h>

namespace ligase {
namespace {

constexpr size_t LANES = 8;
constexpr size_t WORDS_MAX = 4;

__m512i all(uint64_t value) { return _mm512_set1_epi64(static_cast<int64_t>(value)); }
__m512i times(__m512i value, uint64_t by) { return _mm512_mullo_epi64(value, all(by)); }

/** Indexes of a shuffle: lane i takes the bytes first + step * i, each lane's in order or back. */
__m512i shuffle_of(int first, int step, bool is_back) {
  alignas(64) uint8_t index[64];
  for (int lane = 0; lane < 8; lane++) {
    for (int byte = 0; byte < 8; byte++) {
      index[8 * lane + byte] = uint8_t(first + step * lane + (is_back ? 7 - byte : byte));
    }
  }
  return _mm512_load_si512(index);
}

__m512i spread_lanes(__m512i value) {
  value = _mm512_xor_si512(value, _mm512_srli_epi64(value, 33));
  value = times(value, 0xff51afd7ed558ccdULL);
  value = _mm512_xor_si512(value, _mm512_srli_epi64(value, 33));
  value = times(value, 0xc4ceb9fe1a85ec53ULL);
  return _mm512_xor_si512(value, _mm512_srli_epi64(value, 33));
}

constexpr uint64_t C1 = 0x87c37b91114253d5ULL;
constexpr uint64_t C2 = 0x4cf5ad432745937fULL;
constexpr uint64_t SEED = 42;

__m512i first_mix(__m512i word) { return times(_mm512_rol_epi64(times(word, C1), 31), C2); }
__m512i second_mix(__m512i word) { return times(_mm512_rol_epi64(times(word, C2), 33), C1); }
__m512i scaled(__m512i value, uint64_t add) {
  return _mm512_add_epi64(_mm512_add_epi64(_mm512_slli_epi64(value, 2), value), all(add));
}

/** The first half of MurmurHash3 x64 128 of eight k-mers of k letters in words of eight. */
__m512i hash_lanes(const __m512i* words, size_t k) {
  __m512i h1 = all(SEED);
  __m512i h2 = all(SEED);
  size_t tail = 0;
  if (k >= 16) {
    h1 = _mm512_xor_si512(h1, first_mix(words[0]));
    h1 = scaled(_mm512_add_epi64(_mm512_rol_epi64(h1, 27), h2), 0x52dce729);
    h2 = _mm512_xor_si512(h2, second_mix(words[1]));
    h2 = scaled(_mm512_add_epi64(_mm512_rol_epi64(h2, 31), h1), 0x38495ab5);
    tail = 2;
  }
  const size_t rest = k % 16;
  if (rest > 8) h2 = _mm512_xor_si512(h2, second_mix(words[tail + 1]));
  if (rest > 0) h1 = _mm512_xor_si512(h1, first_mix(words[tail]));
  h1 = _mm512_xor_si512(h1, all(k));
  h2 = _mm512_xor_si512(h2, all(k));
  h1 = _mm512_add_epi64(h1, h2);
  h2 = _mm512_add_epi64(h2, h1);
  return _mm512_add_epi64(spread_lanes(h1), spread_lanes(h2));
}

__m512i sixteen(const uint8_t* from) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

/** Whether one strand's k letters stand before the other's, where their first eight are equal. */
bool is_before(const uint8_t* one, const uint8_t* other, size_t k) {
  size_t i = 0;
  while (i < k && one[i] == other[i]) i++;
  return i == k || one[i] < other[i];
}

}  // namespace

size_t hash_run_avx512(const Run& run, uint64_t most_hash, uint64_t* to) {
  const size_t windows = run.n - run.k + 1;
  if (windows < LANES) return hash_run(run, most_hash, to);
  const size_t k = run.k;
  const size_t words = (k + 7) / 8;
  const uint64_t cut = k % 8 == 0 ? ~uint64_t(0) : (uint64_t(1) << (8 * (k % 8))) - 1;
  const __m512i last = all(cut);
  // Letters as one number, the first one highest: only k < 8 cuts it.
  const __m512i top = k < 8 ? all(~uint64_t(0) << (8 * (8 - k))) : all(~uint64_t(0));
  const __m512i ahead = shuffle_of(0, 1, false);
  const __m512i back = shuffle_of(7, -1, false);
  const __m512i ahead_letters = shuffle_of(0, 1, true);
  const __m512i back_letters = shuffle_of(7, -1, true);
  const __m512i most = all(most_hash);
  size_t count = 0;
  for (size_t begin = 0; begin < windows; begin += LANES) {
    // The last eight overlap the ones before; lanes that were done are left out.
    const size_t at = begin + LANES <= windows ? begin : windows - LANES;
    const auto fresh = static_cast<__mmask8>(0xff << (begin - at));
    const uint8_t* forward = run.forward + at;
    const uint8_t* backward = run.backward + (windows - LANES - at);
    const __m512i one = sixteen(forward);
    const __m512i other = sixteen(backward);
    const __m512i letters = _mm512_and_si512(_mm512_shuffle_epi8(one, ahead_letters), top);
    const __m512i mates = _mm512_and_si512(_mm512_shuffle_epi8(other, back_letters), top);
    __mmask8 is_forward = _mm512_cmple_epu64_mask(letters, mates);
    unsigned equal = _mm512_cmpeq_epu64_mask(letters, mates);
    for (; equal != 0 && k > 8; equal &= equal - 1) {
      const auto lane = size_t(__builtin_ctz(equal));
      const bool is_first = is_before(forward + lane, backward + (LANES - 1 - lane), k);
      if (!is_first) is_forward = static_cast<__mmask8>(is_forward & ~(1u << lane));
    }
    __m512i chosen[WORDS_MAX];
    for (size_t word = 0; word < words; word++) {
      const __m512i a = _mm512_shuffle_epi8(sixteen(forward + 8 * word), ahead);
      const __m512i b = _mm512_shuffle_epi8(sixteen(backward + 8 * word), back);
      chosen[word] = _mm512_mask_blend_epi64(is_forward, b, a);
    }
    chosen[words - 1] = _mm512_and_si512(chosen[words - 1], last);
    const __m512i hashes = hash_lanes(chosen, k);
    const __mmask8 kept = _mm512_mask_cmple_epu64_mask(fresh, hashes, most);
    if (kept == 0) continue;
    _mm512_mask_compressstoreu_epi64(to + count, kept, hashes);
    count += size_t(__builtin_popcount(kept));
  }
  return count;
}

}  // namespace ligase
#pragma GCC pop_options
#endif
