/** The kernels over 64 bytes at a time. */
#if defined(__x86_64__)
#include "kernels.h"

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx2,popcnt,bmi")
#include <immintrin.h>

namespace ligase {
namespace {

struct Wide {
  static constexpr size_t width = 64;
  static __m512i load(const uint8_t* from) { return _mm512_loadu_si512(from); }
  static void store(uint8_t* to, __m512i bytes) { _mm512_storeu_si512(to, bytes); }
  static __m512i table(const uint8_t* row) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row)));
  }
  static __m512i all(uint8_t byte) { return _mm512_set1_epi8(static_cast<char>(byte)); }
  static uint64_t same(__m512i a, __m512i b) { return _mm512_cmpeq_epi8_mask(a, b); }
  static uint64_t equal(__m512i bytes, uint8_t byte) { return same(bytes, all(byte)); }
  static uint64_t less(__m512i bytes, uint8_t limit) {
    return _mm512_cmplt_epu8_mask(bytes, all(limit));
  }
  static uint64_t outside(__m512i bytes, uint8_t first, uint8_t last) {
    const __m512i shifted = _mm512_sub_epi8(bytes, all(first));
    return _mm512_cmpgt_epu8_mask(shifted, all(static_cast<uint8_t>(last - first)));
  }
  static uint64_t outside_of(__m512i bytes, __m512i low, __m512i high) {
    const __m512i nibble = all(15);
    const __m512i upper = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), nibble);
    const __m512i rows = _mm512_shuffle_epi8(high, upper);
    const __m512i kinds = _mm512_shuffle_epi8(low, _mm512_and_si512(bytes, nibble));
    return _mm512_testn_epi8_mask(rows, kinds);
  }
  static uint64_t sum(__m512i bytes) {
    return static_cast<uint64_t>(
        _mm512_reduce_add_epi64(_mm512_sad_epu8(bytes, _mm512_setzero_si512())));
  }
};

#include "kernels-wide.h"

}  // namespace

const Kernels avx512_kernels{find, copy_within, copy_between, sums, differences,
                             find_similar};

}  // namespace ligase
#pragma GCC pop_options
#endif
