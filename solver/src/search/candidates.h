// Owns the nodes that may be among the k nearest of one query.
// Invariant: while !overflown, no node is missing whose least possible distance is at most the k-th
// smallest of the greatest possible ones seen, so the k nearest in fp64 are all there.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

namespace ligase {

/// Bounds in the selector's units: lower <= h - r_x <= upper.
struct Candidate {
  float lower;
  float upper;
  int32_t node;
};

class CandidateList {
 public:
  /// Candidates above this bound aren't wanted.
  float threshold() const { return threshold_; }
  /// Too many nodes are too near to each other for fp32: all are to be compared in fp64.
  bool overflown() const { return overflown_; }

  /// @param k - neighbours wanted; the same at every call.
  void add(const Candidate& candidate, int64_t k);

  /// Drops who can't be among the k nearest and sorts the rest by node; afterwards nothing may be
  /// added. @returns the nodes that are left, >= k of them unless fewer were added.
  std::vector<int32_t> finish(int64_t k);

 private:
  void compact(int64_t k);

  std::vector<Candidate> items_;
  float threshold_ = std::numeric_limits<float>::infinity();
  bool overflown_ = false;
};

}  // namespace ligase
