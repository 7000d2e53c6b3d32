/**
 * Mates: where they overlap, what follows for adapters and for bases that differ.
 * Source: fastp 0.23.2, src/overlapanalysis.cpp, basecorrector.cpp, adaptertrimmer.cpp.
 */
#pragma once
#include "trim.h"

namespace ligase {

/** Where mate 2, reversed, lies on mate 1. Mates without bases overlap by none. */
struct Overlap {
  bool found = false;
  int offset = 0;
  int length = 0;
  int differences = 0;
};

struct PairCounts {
  uint64_t corrected_reads = 0;
  uint64_t corrected_bases = 0;
};

/** The complement of a base; N for whatever is none. */
uint8_t complement_of(uint8_t base);

/** @param reversed - room for 64 bytes more than mate 2 has. */
Overlap find_overlap(const QcOptions& options, const Kernels& kernels, const Read& first,
                     const Read& second, std::vector<uint8_t>& reversed);

/** Whether a base of either mate is worth correcting: poor against good, and different. */
bool is_correctable(const Overlap& overlap, const Read& first, const Read& second);
/** Writes the good base and its quality over the poor one. */
void correct(const Overlap& overlap, Read& first, Read& second, PairCounts& counts);
/** Cuts what reaches beyond the fragment; whether something did. */
bool trim_overhang(const Overlap& overlap, Read& first, Read& second, TrimCounts& counts);

}  // namespace ligase
