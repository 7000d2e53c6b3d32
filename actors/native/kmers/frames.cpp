/** See frames.h. */
#include "frames.h"

#include <algorithm>

namespace ligase {
namespace {

/** Bits of the bases T, C, A, G that a byte may stand for; 0: none. */
struct Sets {
  uint8_t of[256] = {};
  Sets() {
    const char* letters = "TCAGUNRYSWKMBDHVX";
    const uint8_t sets[] = {1, 2, 4, 8, 1, 15, 12, 3, 10, 5, 9, 6, 11, 13, 7, 14, 15};
    for (size_t i = 0; letters[i] != 0; i++) {
      of[uint8_t(letters[i])] = sets[i];
      of[uint8_t(letters[i] + 32)] = sets[i];
    }
  }
};

const Sets sets;

/** The set of the complements: T with A, C with G. */
uint8_t complement_set(uint8_t set) {
  return uint8_t(((set & 3) << 2) | ((set >> 2) & 3));
}

/** A stretch of one frame: residues [begin, end) of it. */
struct Stretch {
  int frame;
  size_t begin;
  size_t end;
};

void add_stretch(const std::vector<uint8_t>& residues, const Stretch& stretch, size_t sequence,
                 size_t n, Frames& out) {
  out.residues.insert(out.residues.end(), residues.begin() + ptrdiff_t(stretch.begin),
                      residues.begin() + ptrdiff_t(stretch.end));
  out.ends.push_back(int32_t(out.residues.size()));
  out.sequences.push_back(int32_t(sequence));
  out.frames.push_back(stretch.frame);
  const size_t shift = size_t(std::abs(stretch.frame)) - 1;
  const size_t begin = shift + 3 * stretch.begin;
  const size_t end = shift + 3 * stretch.end;
  out.begins.push_back(int32_t(stretch.frame > 0 ? begin : n - end));
  out.stops.push_back(int32_t(stretch.frame > 0 ? end : n - begin));
}

void reverse_complement(std::vector<uint8_t>& strand) {
  std::reverse(strand.begin(), strand.end());
  for (uint8_t& set : strand) set = complement_set(set);
}

/** Calls take(stretch) for each stretch without a stop of at least `least` residues. */
template <class Take>
void over_open(const std::vector<uint8_t>& residues, int frame, size_t least, Take take) {
  for (size_t begin = 0; begin < residues.size();) {
    const auto stop = std::find(residues.begin() + ptrdiff_t(begin), residues.end(), '*');
    const auto end = size_t(stop - residues.begin());
    if (end - begin >= least) take(Stretch{frame, begin, end});
    begin = end + 1;
  }
}

}  // namespace

Translator::Translator(const std::string& code) {
  for (size_t codon = 0; codon < 4096; codon++) {
    uint8_t residue = 0;
    for (size_t one = 0; one < 64; one++) {
      const bool is_one = ((codon >> 8) >> (one / 16) & 1) && ((codon >> 4) >> (one / 4 % 4) & 1) &&
                          (codon >> (one % 4) & 1);
      if (!is_one) continue;
      const auto found = uint8_t(code[one]);
      residue = residue == 0 || residue == found ? found : uint8_t('X');
    }
    residues_[codon] = residue == 0 ? uint8_t('X') : residue;
  }
}

void Translator::read_frame(const std::vector<uint8_t>& strand, int frame,
                            std::vector<uint8_t>& residues) const {
  residues.clear();
  for (size_t at = size_t(std::abs(frame)) - 1; at + 3 <= strand.size(); at += 3) {
    const size_t codon = size_t(strand[at]) << 8 | size_t(strand[at + 1]) << 4 | strand[at + 2];
    residues.push_back(residues_[codon]);
  }
}

Frames Translator::translate(const Sequences& sequences, FrameMode mode, size_t least) const {
  Frames out;
  std::vector<uint8_t> strand;
  std::vector<uint8_t> residues;
  std::vector<uint8_t> best;
  for (size_t i = 0; i < sequences.size(); i++) {
    const auto from = size_t(sequences.ends[i]);
    const size_t n = size_t(sequences.ends[i + 1]) - from;
    strand.resize(n);
    for (size_t at = 0; at < n; at++) strand[at] = sets.of[sequences.bases[from + at]];
    Stretch longest{0, 0, 0};
    for (const int frame : {1, 2, 3, -1, -2, -3}) {
      if (frame == -1) reverse_complement(strand);
      read_frame(strand, frame, residues);
      if (mode == FrameMode::frames) {
        add_stretch(residues, Stretch{frame, 0, residues.size()}, i, n, out);
        continue;
      }
      over_open(residues, frame, std::max<size_t>(1, least), [&](const Stretch& open) {
        if (mode == FrameMode::all) add_stretch(residues, open, i, n, out);
        if (mode == FrameMode::all || open.end - open.begin <= longest.end - longest.begin) return;
        longest = open;
        best = residues;
      });
    }
    if (longest.frame != 0) add_stretch(best, longest, i, n, out);
  }
  return out;
}

}  // namespace ligase
