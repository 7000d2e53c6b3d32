/**
 * The core without Node, fed with random and with cut bytes, to be built with the address
 * sanitizer: `fuzz SECONDS SEED`. Each level of the kernels must give the same. Exit code 0 and a
 * line with the number of rounds; 1 with the seed of the round where two levels differ.
 */
#include <chrono>
#include <cstdio>
#include <random>
#include <string>

#include "../kmers/frames.h"
#include "../qc/counter.h"
#include "../text/scanner.h"
#ifdef LIGASE_ISAL
#include "../gzip/inflater.h"
#endif

namespace ligase {
namespace {

using Random = std::mt19937_64;

size_t below(Random& random, size_t most) { return size_t(random() % most); }

/** Bytes that look like records, more or less. */
std::string text_of(Random& random) {
  const char* pieces[] = {"@r", "\n", "\n", "\n+\n", "+", "ACGTN", "IIII!~", "\r\n", ">s", "@",
                          "acgtuRY-.*", "\x80", " ", "GGGGGGGGGG", "AGATCGGAAGAGC"};
  std::string text;
  const size_t count = below(random, 60);
  for (size_t i = 0; i < count; i++) {
    if (below(random, 12) == 0) {
      text += char(random());
      continue;
    }
    const std::string piece = pieces[below(random, std::size(pieces))];
    for (size_t times = 1 + (below(random, 9) == 0 ? below(random, 40) : 0); times > 0; times--) {
      text += piece;
    }
  }
  return text;
}

/** Reads as records, sound or cut. */
std::string reads_of(Random& random) {
  std::string text;
  for (size_t i = below(random, 30); i > 0; i--) {
    const size_t n = below(random, 160);
    std::string bases;
    std::string qualities;
    for (size_t at = 0; at < n; at++) {
      bases += "ACGTNGGG"[below(random, 8)];
      qualities += char('!' + below(random, 94));
    }
    text += "@read " + std::to_string(i) + "\n" + bases + "\n+\n" + qualities + "\n";
  }
  if (below(random, 3) == 0) text.resize(below(random, text.size() + 1));
  return text;
}

/** All that a scan gives, as one string, and the batches for what comes after it. */
std::string scan(const std::string& text, Format format, Level level, size_t piece, Batch& all) {
  Scanner scanner(ScanOptions{format, false, true, level, 5000});
  std::string shown;
  size_t at = 0;
  for (;;) {
    const Scanner::State state = scanner.next(7, 900);
    if (state == Scanner::State::needs_input) {
      const size_t n = std::min(piece, text.size() - at);
      // A copy of just these bytes, so that a step beyond them is seen.
      const std::vector<uint8_t> bytes(text.begin() + ptrdiff_t(at),
                                       text.begin() + ptrdiff_t(at + n));
      scanner.feed(bytes.data(), n);
      at += n;
      if (n == 0) scanner.end();
      continue;
    }
    Batch batch = scanner.take();
    shown.append(reinterpret_cast<const char*>(batch.bases.data()), batch.bases.size());
    shown += "|" + std::to_string(batch.records()) + "|" + std::to_string(int(state));
    if (batch.records() > 0) all = std::move(batch);
    if (state == Scanner::State::full) continue;
    return shown + "|" + std::to_string(int(scanner.fault().fault)) + "|" +
           std::to_string(scanner.fault_offset());
  }
}

QcBatch qc_batch(const Batch& batch) {
  const size_t n = batch.bases.size();
  QcBatch copy{std::vector<uint8_t>(batch.bases.data(), batch.bases.data() + n),
               std::vector<uint8_t>(n, 'I'),
               std::vector<int32_t>(batch.ends.data(), batch.ends.data() + batch.ends.size())};
  for (size_t i = 0; i < batch.qualities.size(); i++) copy.qualities[i] = batch.qualities[i];
  return copy;
}

std::string count(const Batch& batch, Level level, Random random) {
  QcOptions options;
  options.cycles_max = 20 + below(random, 100);
  options.poly_g = int(below(random, 12));
  options.poly_x = int(below(random, 12));
  options.front.window = int(below(random, 6));
  options.tail.window = int(below(random, 6));
  options.right.window = int(below(random, 2) * below(random, 6));
  options.trim_front[0] = int(below(random, 9));
  options.trim_tail[1] = int(below(random, 9));
  options.overlap_required = int(below(random, 40));
  options.adapter[0] = "AGATCGGAAGAGCACACG";
  options.adapter_table = {"GGGG", "ACGTACGT"};
  options.correction = below(random, 2) == 0;
  options.phred64 = below(random, 2) == 0;
  QcCounter counter(options, level);
  QcBatch one = qc_batch(batch);
  QcBatch two = qc_batch(batch);
  counter.add_pairs(one, two);
  counter.add(one);
  std::string shown;
  for (const uint64_t sum : counter.filtered()) shown += std::to_string(sum) + " ";
  const ReadStats after = counter.after(0);
  for (const uint64_t sum : after.cycles()) shown += std::to_string(sum) + " ";
  return shown + std::to_string(counter.trimmed().adapter_bases);
}

bool is_same(const CountTable::Entry& a, const CountTable::Entry& b) {
  return a.key == b.key && a.count == b.count;
}

/** Whether all levels give the same. */
bool count_kmers(const Batch& batch, Random& random) {
  const QcBatch copy = qc_batch(batch);
  const Sequences sequences{copy.bases, copy.ends};
  const int k = 1 + int(below(random, 31));
  KmerTable table(k, 1 + below(random, 50));
  table.add(sequences);
  std::vector<CountTable::Entry> hashes;
  for (const Level level : {Level::plain, Level::avx512}) {
    Sketch sketch(k, ~uint64_t(0) / 3, level);
    sketch.add(sequences);
    std::vector<CountTable::Entry> found = sketch.hashes().entries();
    if (level == Level::plain) hashes = found;
    const bool agrees =
        std::equal(hashes.begin(), hashes.end(), found.begin(), found.end(), is_same);
    if (!agrees) return false;
  }
  minimisers(sequences, k);
  count_tetramers(sequences);
  const std::string code = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG";
  for (const FrameMode mode : {FrameMode::frames, FrameMode::longest, FrameMode::all}) {
    Translator(code).translate(sequences, mode, below(random, 9));
  }
  return true;
}

#ifdef LIGASE_ISAL
/** A stored gzip member, so that some random files are sound up to where they are damaged. */
std::string stored_member(const std::string& text) {
  const std::string bytes = text.substr(0, 60000);
  const auto n = uint16_t(bytes.size());
  std::string file("\x1f\x8b\x08\0\0\0\0\0\0\x03\x01", 11);
  for (const uint16_t part : {n, uint16_t(~n)}) {
    file += char(part & 255);
    file += char(part >> 8);
  }
  return file + bytes + std::string(8, '\0');
}

void inflate(Random& random, const std::string& text) {
  std::string file = stored_member(text);
  for (size_t i = below(random, 6); i > 0; i--) file[below(random, file.size())] = char(random());
  if (below(random, 2) == 0) file[10] = char(4 + below(random, 4));
  file.resize(below(random, file.size() + 1));
  GzipInflater inflater(double(below(random, 200)));
  Array<uint8_t> out;
  size_t at = 0;
  for (;;) {
    const GzipInflater::State state = inflater.next(1 + below(random, 500), out);
    for (const RestartPoint& point : inflater.take_points()) {
      GzipInflater again(0, point);
      const size_t from = std::min(file.size(), size_t(point.bit / 8));
      again.feed(reinterpret_cast<const uint8_t*>(file.data()) + from, file.size() - from);
      Array<uint8_t> rest;
      again.next(1000, rest);
    }
    if (state == GzipInflater::State::full) continue;
    if (state != GzipInflater::State::needs_input) break;
    const size_t n = std::min(1 + below(random, 90), file.size() - at);
    inflater.feed(reinterpret_cast<const uint8_t*>(file.data()) + at, n);
    at += n;
    if (n == 0) inflater.end();
  }
  Array<uint8_t> blocks;
  file[3] = 4;
  const std::vector<uint8_t> exact(file.begin(), file.end());
  inflate_blocks(exact.data(), exact.size(), blocks);
}
#endif

bool round(uint64_t seed) {
  Random random(seed);
  const std::string text = below(random, 2) == 0 ? text_of(random) : reads_of(random);
  const auto format = static_cast<Format>(below(random, 3));
  const size_t piece = 1 + below(random, 300);
  const Random same = random;
  std::string first;
  for (const Level level : {Level::plain, Level::avx2, Level::avx512}) {
    Batch all;
    std::string shown = scan(text, format, level, piece, all);
    if (all.records() > 0) shown += count(all, level, same);
    if (level == Level::plain) {
      first = shown;
      if (all.records() > 0 && !count_kmers(all, random)) return false;
    }
    if (shown != first) return false;
  }
#ifdef LIGASE_ISAL
  inflate(random, text);
#endif
  return true;
}

}  // namespace
}  // namespace ligase

int main(int count, char** words) {
  using Clock = std::chrono::steady_clock;
  const double seconds = count > 1 ? std::stod(words[1]) : 1;
  uint64_t seed = count > 2 ? std::stoull(words[2]) : 1;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  uint64_t rounds = 0;
  for (; Clock::now() < end; rounds++, seed++) {
    if (ligase::round(seed)) continue;
    std::printf("levels differ: seed %llu\n", static_cast<unsigned long long>(seed));
    return 1;
  }
  std::printf("%llu rounds\n", static_cast<unsigned long long>(rounds));
  return 0;
}
