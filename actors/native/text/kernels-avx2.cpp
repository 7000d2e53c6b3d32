/** The kernels over 32 bytes at a time. */
#if defined(__x86_64__)
#include "kernels.h"

#pragma GCC push_options
#pragma GCC target("avx2,popcnt,bmi")
#include <immintrin.h>

namespace ligase {
namespace {

struct Wide {
  static constexpr size_t width = 32;
  static __m256i load(const uint8_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  static void store(uint8_t* to, __m256i bytes) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), bytes);
  }
  static __m256i table(const uint8_t* row) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row)));
  }
  static uint64_t bits(__m256i mask) {
    return static_cast<uint32_t>(_mm256_movemask_epi8(mask));
  }
  static __m256i all(uint8_t byte) { return _mm256_set1_epi8(static_cast<char>(byte)); }
  static uint64_t same(__m256i a, __m256i b) { return bits(_mm256_cmpeq_epi8(a, b)); }
  static uint64_t equal(__m256i bytes, uint8_t byte) { return same(bytes, all(byte)); }
  static uint64_t less(__m256i bytes, uint8_t limit) {
    return ~same(_mm256_max_epu8(bytes, all(limit)), bytes) & 0xffffffffu;
  }
  static uint64_t outside(__m256i bytes, uint8_t first, uint8_t last) {
    const __m256i clamped = _mm256_min_epu8(_mm256_max_epu8(bytes, all(first)), all(last));
    return ~same(clamped, bytes) & 0xffffffffu;
  }
  static uint64_t outside_of(__m256i bytes, __m256i low, __m256i high) {
    const __m256i nibble = all(15);
    const __m256i upper = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble);
    const __m256i rows = _mm256_shuffle_epi8(high, upper);
    const __m256i kinds = _mm256_shuffle_epi8(low, _mm256_and_si256(bytes, nibble));
    return equal(_mm256_and_si256(rows, kinds), 0);
  }
  static uint64_t sum(__m256i bytes) {
    const __m256i four = _mm256_sad_epu8(bytes, _mm256_setzero_si256());
    const __m128i two =
        _mm_add_epi64(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
    return static_cast<uint64_t>(_mm_extract_epi64(two, 0) + _mm_extract_epi64(two, 1));
  }
};

#include "kernels-wide.h"

}  // namespace

const Kernels avx2_kernels{find, copy_within, copy_between, sums, differences,
                             find_similar};

}  // namespace ligase
#pragma GCC pop_options
#endif
