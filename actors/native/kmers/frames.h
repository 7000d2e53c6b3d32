/**
 * Translation in six frames. A codon whose bases are ambiguous gives a residue where all it can be
 * give the same one, else X.
 */
#pragma once
#include <string>

#include "kmers.h"

namespace ligase {

/** Which stretches come out. */
enum class FrameMode : int { frames = 0, longest = 1, all = 2 };

/** Stretches of residues, back to back. */
struct Frames {
  std::vector<uint8_t> residues;
  /** Stretch i is residues[ends[i], ends[i + 1]). */
  std::vector<int32_t> ends{0};
  /** Its sequence, its frame (1, 2, 3, -1, -2, -3), and its bases [begin, end) on the sequence. */
  std::vector<int32_t> sequences;
  std::vector<int32_t> frames;
  std::vector<int32_t> begins;
  std::vector<int32_t> stops;
};

class Translator {
 public:
  /** @param code - 64 residues, codons in the order of T, C, A, G, first base slowest. */
  explicit Translator(const std::string& code);

  /**
   * The stretches of all sequences: each frame whole; or the longest stretch without a stop of at
   * least `least` residues, the first in the order +1 +2 +3 -1 -2 -3, then by its begin on the
   * strand; or all of those.
   */
  Frames translate(const Sequences& sequences, FrameMode mode, size_t least) const;

 private:
  void read_frame(const std::vector<uint8_t>& strand, int frame,
                  std::vector<uint8_t>& residues) const;

  /** Residues by the sets of bases of a codon, four bits each. */
  uint8_t residues_[4096];
};

}  // namespace ligase
