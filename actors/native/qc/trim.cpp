/** See trim.h. */
#include "trim.h"

#include <algorithm>
#include <cstring>

namespace ligase {
namespace {

constexpr int MISMATCH_EACH = 8;
constexpr int MISMATCH_MAX = 5;

int first_sum(const Read& read, int begin, int window, int step) {
  int total = 0;
  for (int i = 0; i < window - 1; i++) total += read.qualities[begin + i * step];
  return total;
}

bool is_good(int total, const Window& window) {
  return double(total) / double(window.window) >= 33 + window.mean;
}

/** Where the read begins after the window from the front; the read has room for one. */
int cut_front(const Read& read, const Window& window, int front, int tail) {
  int s = front;
  int total = first_sum(read, s, window.window, 1);
  for (; s + window.window < read.n - tail; s++) {
    total += read.qualities[s + window.window - 1];
    if (s > front) total -= read.qualities[s - 1];
    if (is_good(total, window)) break;
  }
  if (s > 0) s += window.window - 1;
  while (s < read.n && read.bases[s] == 'N') s++;
  return s;
}

/** What is left from `front` on by the first bad window; `n` where there is none. */
int cut_right(const Read& read, const Window& window, int front, int tail, int n) {
  int s = front;
  int total = first_sum(read, s, window.window, 1);
  for (; s + window.window < read.n - tail; s++) {
    total += read.qualities[s + window.window - 1];
    if (s > front) total -= read.qualities[s - 1];
    if (is_good(total, window)) continue;
    while (s < read.n - 1 && read.qualities[s] >= 33 + window.mean) s++;
    return s - front;
  }
  return n;
}

/** What is left from `front` on by the windows from the tail. */
int cut_tail(const Read& read, const Window& window, int front, int tail) {
  const int last = read.n - tail - 1;
  int total = first_sum(read, last, window.window, -1);
  int t = last;
  for (; t - window.window >= front; t--) {
    total += read.qualities[t - window.window + 1];
    if (t < last) total -= read.qualities[t + 1];
    if (is_good(total, window)) break;
  }
  if (t < read.n - 1) t = t - window.window + 1;
  while (t >= 0 && read.bases[t] == 'N') t--;
  return t - front + 1;
}

/** Whether the adapter stands at `pos` of the read, up to the end of either. */
bool matches_at(const std::string& adapter, const Read& read, int pos) {
  const int n = std::min(read.n - pos, int(adapter.size()));
  const int allowed = n / MISMATCH_EACH;
  int mismatches = 0;
  for (int i = std::max(0, -pos); i < n; i++) {
    if (uint8_t(adapter[size_t(i)]) != read.bases[i + pos] && ++mismatches > allowed) return false;
  }
  return true;
}

/** How far before the read an adapter may begin: dimers often lack its first base. */
int first_position(size_t length) {
  return length >= 16 ? -4 : length >= 12 ? -3 : length >= 8 ? -2 : 0;
}

/** Where the adapter first stands in the read, or read.n - least: nowhere. */
int find_adapter(const std::string& adapter, const Kernels& kernels, int least, const Read& read) {
  const int end = read.n - least;
  int pos = first_position(adapter.size());
  for (; pos < 0 && pos < end; pos++) {
    if (matches_at(adapter, read, pos)) return pos;
  }
  uint8_t wanted[KERNEL_PADDING] = {};
  std::memcpy(wanted, adapter.data(), std::min(adapter.size(), KERNEL_PADDING));
  while (pos < end) {
    pos = int(kernels.find_similar(wanted, adapter.size(), read.bases, size_t(pos), size_t(end),
                                   size_t(read.n)));
    if (pos < end && matches_at(adapter, read, pos)) return pos;
    if (pos < end) pos++;
  }
  return end;
}

/** Trims one read by one adapter and counts it; whether it did. */
bool trim_adapter(const std::string& adapter, const Kernels& kernels, int least, Read& read,
                  TrimCounts* counts) {
  const int length = int(adapter.size());
  if (length < least) return false;
  const int pos = find_adapter(adapter, kernels, least, read);
  if (pos >= read.n - least) return false;
  const int cut = pos < 0 ? length + pos : read.n - pos;
  read.n = std::max(0, pos);
  if (counts != nullptr && cut > 0) {
    counts->adapter_reads += 1;
    counts->adapter_bases += uint64_t(cut);
  }
  return true;
}

bool is_complex(const QcOptions& options, const Read& read) {
  if (read.n <= 1) return false;
  int changes = 0;
  for (int i = 0; i + 1 < read.n; i++) changes += read.bases[i] != read.bases[i + 1];
  return double(changes) / double(read.n - 1) >= options.complexity / 100.0;
}

}  // namespace

void cut_ends(const QcOptions& options, int mate, Read& read) {
  int front = options.trim_front[mate];
  const int tail = options.trim_tail[mate];
  const bool windows = options.front.window + options.tail.window + options.right.window > 0;
  if (front == 0 && tail == 0 && !windows) return;
  int n = read.n - front - tail;
  bool gone = n < 0;
  const auto has_room = [&](const Window& w) { return read.n - front - tail - w.window > 0; };
  if (!gone && options.front.window > 0) {
    gone = !has_room(options.front);
    if (!gone) {
      front = cut_front(read, options.front, front, tail);
      n = read.n - front - tail;
    }
  }
  if (!gone && options.right.window > 0) {
    gone = !has_room(options.right);
    if (!gone) n = cut_right(read, options.right, front, tail, n);
  } else if (!gone && options.tail.window > 0) {
    gone = !has_room(options.tail);
    if (!gone) n = cut_tail(read, options.tail, front, tail);
  }
  gone = gone || (windows && (n <= 0 || front >= read.n - 1));
  read.gone = gone;
  if (gone) return;
  read.bases += front;
  read.qualities += front;
  read.front = front;
  read.n = n;
}

void trim_poly_g(int shortest, Read& read) {
  int mismatches = 0;
  int first = read.n - 1;
  int i = 0;
  for (; i < read.n; i++) {
    if (read.bases[read.n - i - 1] != 'G') mismatches++;
    else first = read.n - i - 1;
    const int allowed = (i + 1) / MISMATCH_EACH;
    const bool over = mismatches > allowed && i >= shortest - 1;
    if (mismatches > MISMATCH_MAX || over) break;
  }
  if (i >= shortest && first >= 0) read.n = first;
}

void trim_poly_x(int shortest, Read& read, TrimCounts& counts) {
  constexpr char letters[4] = {'A', 'T', 'C', 'G'};
  int found[4] = {0, 0, 0, 0};
  int pos = 0;
  for (; pos < read.n; pos++) {
    const uint8_t base = read.bases[read.n - pos - 1];
    for (int b = 0; b < 4; b++) found[b] += base == uint8_t(letters[b]) || base == 'N';
    const int seen = pos + 1;
    const int allowed = std::min(MISMATCH_MAX, seen / MISMATCH_EACH);
    const int best = *std::max_element(found, found + 4);
    const bool over = seen - best > allowed;
    if (over && (pos >= MISMATCH_EACH || seen >= shortest - 1)) break;
  }
  if (pos + 1 < shortest) return;
  const int poly = int(std::max_element(found, found + 4) - found);
  // The tail ends at its own base; where all of the read was passed there is none behind.
  while (pos >= 0 && (pos == read.n || read.bases[read.n - pos - 1] != uint8_t(letters[poly]))) {
    pos--;
  }
  read.n = read.n - pos - 1;
  counts.poly_x_reads[poly] += 1;
  counts.poly_x_bases[poly] += uint64_t(pos + 1);
}

void trim_adapters(const QcOptions& options, const Kernels& kernels, int mate, bool done,
                   Read& read, TrimCounts& counts) {
  constexpr int least = 4;
  bool trimmed = done;
  const std::string& adapter = options.adapter[mate];
  if (!done && !adapter.empty()) trimmed = trim_adapter(adapter, kernels, least, read, &counts);
  const size_t table = options.adapter_table.size();
  if (table == 0) return;
  const int least_of_many = table > 256 ? 6 : table > 16 ? 5 : 4;
  const int before = read.n;
  bool any = false;
  for (const std::string& one : options.adapter_table) {
    any = trim_adapter(one, kernels, least_of_many, read, nullptr) || any;
  }
  if (!any || read.n == before) return;
  if (!trimmed) counts.adapter_reads += 1;
  counts.adapter_bases += uint64_t(before - read.n);
}

Verdict judge(const QcOptions& options, const Kernels& kernels, const Read& read) {
  if (read.gone || read.n == 0) return Verdict::too_short;
  const auto limit = uint8_t(options.qualified_phred + 33);
  const ReadSums sums = kernels.sums(read.bases, read.qualities, size_t(read.n), limit);
  if (options.quality_filter) {
    const double most = options.unqualified_percent * read.n / 100.0;
    if (sums.below > most) return Verdict::low_quality;
    const int mean = (int(sums.total) - 33 * read.n) / read.n;
    if (options.average_quality > 0 && mean < options.average_quality) return Verdict::low_quality;
    if (int(sums.unknown) > options.unknown_limit) return Verdict::too_many_n;
  }
  if (options.length_filter) {
    if (read.n < options.length_required) return Verdict::too_short;
    if (options.length_limit > 0 && read.n > options.length_limit) return Verdict::too_long;
  }
  if (options.complexity > 0 && !is_complex(options, read)) return Verdict::low_complexity;
  return Verdict::passed;
}

}  // namespace ligase
