/**
 * The kernels over vectors, written once. A file that includes this defines `Wide`, with its width
 * in bytes and its few operations, in an anonymous namespace under its instruction set's pragma.
 * Only headers without inline functions come with it: another file must never link code of an
 * instruction set that its processor may lack.
 */

/** Calls step(i) for vectors that cover [0, n), the last one shifted back; n >= Wide::width. */
template <class Step>
inline size_t over(size_t n, Step step) {
  size_t i = 0;
  for (; i + Wide::width <= n; i += Wide::width) {
    const auto hits = step(i);
    if (hits != 0) return i + static_cast<size_t>(__builtin_ctzll(hits));
  }
  if (i == n) return n;
  const size_t last = n - Wide::width;
  const auto hits = step(last);
  return hits == 0 ? n : last + static_cast<size_t>(__builtin_ctzll(hits));
}

size_t find(const uint8_t* from, size_t n, uint8_t byte) {
  if (n < Wide::width) {
    for (size_t i = 0; i < n; i++) {
      if (from[i] == byte) return i;
    }
    return n;
  }
  return over(n, [=](size_t i) { return Wide::equal(Wide::load(from + i), byte); });
}

size_t copy_within(const uint8_t* from, size_t n, const Alphabet& alphabet, uint8_t* to) {
  if (n < Wide::width) {
    size_t wrong = n;
    for (size_t i = n; i-- > 0;) {
      to[i] = from[i];
      if (alphabet.valid[from[i]] == 0) wrong = i;
    }
    return wrong;
  }
  const auto low = Wide::table(alphabet.low);
  const auto high = Wide::table(alphabet.high);
  const size_t stop = over(n, [=](size_t i) {
    const auto bytes = Wide::load(from + i);
    Wide::store(to + i, bytes);
    return Wide::outside_of(bytes, low, high);
  });
  return stop;
}

size_t copy_between(const uint8_t* from, size_t n, uint8_t first, uint8_t last, uint8_t* to) {
  if (n < Wide::width) {
    size_t wrong = n;
    for (size_t i = n; i-- > 0;) {
      to[i] = from[i];
      if (from[i] < first || from[i] > last) wrong = i;
    }
    return wrong;
  }
  return over(n, [=](size_t i) {
    const auto bytes = Wide::load(from + i);
    Wide::store(to + i, bytes);
    return Wide::outside(bytes, first, last);
  });
}

ReadSums sums(const uint8_t* bases, const uint8_t* qualities, size_t n, uint8_t limit) {
  ReadSums found{0, 0, 0};
  size_t i = 0;
  for (; i + Wide::width <= n; i += Wide::width) {
    const auto quality = Wide::load(qualities + i);
    found.below += static_cast<uint32_t>(__builtin_popcountll(Wide::less(quality, limit)));
    const auto unknown = Wide::equal(Wide::load(bases + i), 'N');
    found.unknown += static_cast<uint32_t>(__builtin_popcountll(unknown));
    found.total += Wide::sum(quality);
  }
  for (; i < n; i++) {
    found.below += qualities[i] < limit;
    found.unknown += bases[i] == 'N';
    found.total += qualities[i];
  }
  return found;
}

uint32_t differences(const uint8_t* a, const uint8_t* b, size_t n) {
  uint32_t count = 0;
  size_t i = 0;
  for (; i + Wide::width <= n; i += Wide::width) {
    const auto equal = Wide::same(Wide::load(a + i), Wide::load(b + i));
    count += static_cast<uint32_t>(Wide::width) -
             static_cast<uint32_t>(__builtin_popcountll(equal));
  }
  for (; i < n; i++) count += a[i] != b[i];
  return count;
}

size_t find_similar(const uint8_t* wanted, size_t length, const uint8_t* text, size_t begin,
                    size_t end, size_t n) {
  const auto needle = Wide::load(wanted);
  for (size_t at = begin; at < end; at++) {
    const size_t inside = length < n - at ? length : n - at;
    const uint64_t compared = inside < 64 ? (uint64_t(1) << inside) - 1 : ~uint64_t(0);
    const uint64_t all = Wide::width < 64 ? (uint64_t(1) << (Wide::width & 63)) - 1 : ~uint64_t(0);
    const uint64_t different = ~Wide::same(needle, Wide::load(text + at)) & compared & all;
    if (static_cast<size_t>(__builtin_popcountll(different)) <= inside / 8) return at;
  }
  return end;
}
