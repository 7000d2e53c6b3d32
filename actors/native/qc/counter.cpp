/**
 * See counter.h. Most reads pass as they came: those are added once, to sums that hold before and
 * after, instead of twice.
 */
#include "counter.h"

#include <algorithm>

namespace ligase {
namespace {

/** Qualities with offset 64 to offset 33; none falls below it. */
void to_phred33(std::vector<uint8_t>& qualities) {
  for (uint8_t& quality : qualities) quality = uint8_t(std::max(33, quality - 31));
}

QcOutcome outcome_of(size_t reads) {
  return QcOutcome{std::vector<uint8_t>(reads), std::vector<int32_t>(reads),
                   std::vector<int32_t>(reads)};
}

/** Room behind a batch's bases that the kernels may read; gone again at its end. */
class Padding {
 public:
  explicit Padding(QcBatch& batch) : bases_(batch.bases), size_(batch.bases.size()) {
    bases_.resize(size_ + KERNEL_PADDING);
  }
  ~Padding() { bases_.resize(size_); }
  Padding(const Padding&) = delete;
  Padding& operator=(const Padding&) = delete;

 private:
  std::vector<uint8_t>& bases_;
  size_t size_;
};

}  // namespace

QcCounter::QcCounter(const QcOptions& options, Level level)
    : options_(options),
      kernels_(kernels_of(level)),
      stats_{Stats{ReadStats(options.cycles_max), ReadStats(options.cycles_max),
                   ReadStats(options.cycles_max)},
             Stats{ReadStats(options.cycles_max), ReadStats(options.cycles_max),
                   ReadStats(options.cycles_max)}} {}

QcCounter::Way QcCounter::begin(QcBatch& batch, size_t i) const {
  const auto at = size_t(batch.ends[i]);
  const auto n = size_t(batch.ends[i + 1]) - at;
  uint8_t* bases = batch.bases.data() + at;
  uint8_t* qualities = batch.qualities.data() + at;
  return Way{ReadView{bases, qualities, n}, Read{bases, qualities, int(n)}};
}

QcOutcome QcCounter::add(QcBatch& batch) {
  if (options_.phred64) to_phred33(batch.qualities);
  const Padding padding(batch);
  const size_t reads = batch.ends.size() - 1;
  QcOutcome outcome = outcome_of(reads);
  for (size_t i = 0; i < reads; i++) {
    Way way = begin(batch, i);
    cut_ends(options_, 0, way.read);
    if (!way.read.gone) trim_single(way.read);
    const Verdict verdict = judge(options_, kernels_, way.read);
    filtered_[size_t(verdict)] += 1;
    count(0, way, verdict == Verdict::passed);
    outcome.verdicts[i] = uint8_t(verdict);
    outcome.begins[i] = int32_t(way.read.bases - batch.bases.data());
    outcome.lengths[i] = way.read.gone ? 0 : way.read.n;
  }
  return outcome;
}

std::array<QcOutcome, 2> QcCounter::add_pairs(QcBatch& first, QcBatch& second) {
  if (options_.phred64) to_phred33(first.qualities);
  if (options_.phred64) to_phred33(second.qualities);
  const Padding paddings[2] = {Padding(first), Padding(second)};
  const size_t reads = first.ends.size() - 1;
  std::array<QcOutcome, 2> outcome{outcome_of(reads), outcome_of(reads)};
  QcBatch* batches[2] = {&first, &second};
  for (size_t i = 0; i < reads; i++) {
    Way ways[2] = {begin(first, i), begin(second, i)};
    trim_pair(ways[0], ways[1]);
    Verdict verdicts[2];
    for (int mate = 0; mate < 2; mate++) {
      verdicts[mate] = judge(options_, kernels_, ways[mate].read);
    }
    const Verdict worse = std::max(verdicts[0], verdicts[1]);
    filtered_[size_t(worse)] += 2;
    for (size_t mate = 0; mate < 2; mate++) {
      const Read& read = ways[mate].read;
      count(int(mate), ways[mate], worse == Verdict::passed);
      outcome[mate].verdicts[i] = uint8_t(verdicts[mate]);
      outcome[mate].begins[i] = int32_t(read.bases - batches[mate]->bases.data());
      outcome[mate].lengths[i] = read.gone ? 0 : read.n;
    }
  }
  return outcome;
}

void QcCounter::trim_single(Read& read) {
  if (options_.poly_g > 0) trim_poly_g(options_.poly_g, read);
  if (options_.adapters) trim_adapters(options_, kernels_, 0, false, read, trimmed_);
  if (options_.poly_x > 0) trim_poly_x(options_.poly_x, read, trimmed_);
  const int most = options_.max_length[0];
  if (most > 0) read.n = std::min(read.n, most);
}

/** What needs both mates is done only while neither is gone. */
void QcCounter::trim_pair(Way& first, Way& second) {
  Read* reads[2] = {&first.read, &second.read};
  for (int mate = 0; mate < 2; mate++) cut_ends(options_, mate, *reads[mate]);
  if (reads[0]->gone || reads[1]->gone) return;
  for (Read* read : reads) {
    if (options_.poly_g > 0) trim_poly_g(options_.poly_g, *read);
  }
  const Overlap overlap = find_overlap(options_, kernels_, *reads[0], *reads[1], reversed_);
  count_insert(overlap, *reads[0], *reads[1]);
  if (options_.correction && is_correctable(overlap, *reads[0], *reads[1])) {
    // Correcting writes over the original.
    for (int mate = 0; mate < 2; mate++) {
      Way& way = mate == 0 ? first : second;
      stats_[size_t(mate)].before.add(way.original);
      way.counted = true;
    }
    correct(overlap, *reads[0], *reads[1], pairs_);
  }
  if (options_.adapters) {
    const bool done = trim_overhang(overlap, *reads[0], *reads[1], trimmed_);
    for (int mate = 0; mate < 2; mate++) {
      trim_adapters(options_, kernels_, mate, done, *reads[mate], trimmed_);
    }
  }
  for (int mate = 0; mate < 2; mate++) {
    if (options_.poly_x > 0) trim_poly_x(options_.poly_x, *reads[mate], trimmed_);
  }
  for (int mate = 0; mate < 2; mate++) {
    const int most = options_.max_length[mate];
    if (most > 0) reads[mate]->n = std::min(reads[mate]->n, most);
  }
}

void QcCounter::count_insert(const Overlap& overlap, const Read& first, const Read& second) {
  size_t size = insert_max;
  if (overlap.found) {
    const int sum = overlap.offset > 0 ? first.n + second.n - overlap.length : overlap.length;
    size = std::min(insert_max, size_t(sum + first.front + second.front));
  }
  inserts_[size] += 1;
}

void QcCounter::count(int mate, const Way& way, bool passes) {
  Stats& stats = stats_[size_t(mate)];
  const Read& read = way.read;
  const bool as_it_was = read.bases == way.original.bases && size_t(read.n) == way.original.n;
  if (passes && as_it_was && !way.counted) {
    stats.both.add(way.original);
    return;
  }
  if (!way.counted) stats.before.add(way.original);
  if (passes) stats.after.add(ReadView{read.bases, read.qualities, size_t(read.n)});
}

ReadStats QcCounter::before(int mate) const {
  ReadStats sum = stats_[size_t(mate)].both;
  sum.add(stats_[size_t(mate)].before);
  return sum;
}

ReadStats QcCounter::after(int mate) const {
  ReadStats sum = stats_[size_t(mate)].both;
  sum.add(stats_[size_t(mate)].after);
  return sum;
}

}  // namespace ligase
