// Owns what is known of levels: which ones say that each row holds exactly d values. Levels are
// coded here in random runs and packed groups, right ones and ones with a single fault.
#include <algorithm>
#include <random>

#include "input/pages.h"
#include "report.h"

namespace ligase::tests {

namespace {

using Random = std::mt19937_64;

int64_t pick(Random& random, int64_t below) { return (int64_t)(random() % (uint64_t)below); }

void writeHeader(std::vector<uint8_t>& out, uint64_t header) {
  for (; header >= 0x80; header >>= 7) out.push_back((uint8_t)(header | 0x80));
  out.push_back((uint8_t)header);
}

/// Parquet's hybrid coding: runs where values repeat and the dice say so, else packed groups.
std::vector<uint8_t> code(Random& random, const std::vector<int>& levels, int width) {
  std::vector<uint8_t> out;
  for (size_t at = 0; at < levels.size();) {
    const auto same = std::find_if(levels.begin() + (int64_t)at, levels.end(),
                                   [&](int level) { return level != levels[at]; });
    const auto length = (uint64_t)(same - levels.begin()) - at;
    const size_t left = levels.size() - at;
    const size_t groups = std::min<size_t>((left + 7) / 8, 1 + (size_t)pick(random, 20));
    // Packed groups have eight levels each: only the last one may end in the middle.
    if (length >= 8 && pick(random, 2) == 0) {
      writeHeader(out, length << 1);
      out.push_back((uint8_t)levels[at]);
      at += length;
      continue;
    }
    writeHeader(out, groups << 1 | 1);
    const size_t begin = out.size();
    out.resize(begin + groups * (size_t)width);
    for (size_t i = 0; i < groups * 8 && at + i < levels.size(); i++) {
      for (int bit = 0; bit < width; bit++) {
        const size_t place = i * (size_t)width + (size_t)bit;
        out[begin + place / 8] |= (uint8_t)(((levels[at + i] >> bit) & 1) << (place % 8));
      }
    }
    at += groups * 8;
  }
  return out;
}

std::vector<int> startLevels(int64_t count, int64_t dimensions, int64_t inRow) {
  std::vector<int> levels((size_t)count);
  for (int64_t i = 0; i < count; i++) levels[(size_t)i] = (inRow + i) % dimensions == 0 ? 0 : 1;
  return levels;
}

/// How often the answer is wrong, over random rows, places and faults.
double startFaults(Random& random) {
  double wrong = 0;
  for (int round = 0; round < 3000; round++) {
    const int64_t dimensions = 1 + pick(random, round % 2 == 0 ? 5 : 200);
    const int64_t count = 1 + pick(random, 600);
    const int64_t inRow = pick(random, dimensions);
    std::vector<int> levels = startLevels(count, dimensions, inRow);
    const std::vector<uint8_t> right = code(random, levels, 1);
    const auto bytes = (int64_t)right.size();
    if (!startsEvery(right.data(), bytes, count, dimensions, inRow)) wrong++;
    if (startsEvery(right.data(), pick(random, bytes), count, dimensions, inRow)) wrong++;
    levels[(size_t)pick(random, count)] ^= 1;
    const std::vector<uint8_t> bad = code(random, levels, 1);
    if (startsEvery(bad.data(), (int64_t)bad.size(), count, dimensions, inRow)) wrong++;
  }
  return wrong;
}

double presentFaults(Random& random) {
  double wrong = 0;
  for (int round = 0; round < 3000; round++) {
    const int width = 1 + (int)pick(random, 2);
    const int level = width == 1 ? 1 : 2 + (int)pick(random, 2);
    const int64_t count = 1 + pick(random, 600);
    std::vector<int> levels((size_t)count, level);
    const std::vector<uint8_t> right = code(random, levels, width);
    if (!allLevels(right.data(), (int64_t)right.size(), count, width, level)) wrong++;
    levels[(size_t)pick(random, count)] = level - 1;
    const std::vector<uint8_t> bad = code(random, levels, width);
    if (allLevels(bad.data(), (int64_t)bad.size(), count, width, level)) wrong++;
  }
  return wrong;
}

}  // namespace

void levelCases(Report& report) {
  Random random(7);
  report.add("levels of equal rows, and of others", startFaults(random), 0, {});
  report.add("levels of values that are all there", presentFaults(random), 0, {});
}

}  // namespace ligase::tests
