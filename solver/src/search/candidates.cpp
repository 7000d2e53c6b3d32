// Owns when a list of candidates is thinned out; see candidates.h.
#include "search/candidates.h"

#include <algorithm>

namespace ligase {

namespace {

/// Candidates beyond k that a row may keep: more, and comparing all nodes in fp64 is cheaper.
constexpr size_t surplusMax = 256;
/// Candidates that come in before a list is thinned out again.
constexpr size_t surplusStep = 32;

}  // namespace

void CandidateList::add(const Candidate& candidate, int64_t k) {
  if (overflown_) return;
  if (items_.size() == items_.capacity()) {
    compact(k);
    if (overflown_) return;
    const size_t wanted = std::max(items_.size() + items_.size() / 2, (size_t)k) + surplusStep;
    if (items_.capacity() < wanted && items_.size() + surplusStep > items_.capacity()) {
      items_.reserve(wanted);
    }
  }
  items_.push_back(candidate);
}

void CandidateList::compact(int64_t k) {
  if (items_.size() < (size_t)k) return;
  std::vector<float> uppers;
  uppers.reserve(items_.size());
  for (const Candidate& item : items_) uppers.push_back(item.upper);
  std::nth_element(uppers.begin(), uppers.begin() + k - 1, uppers.end());
  threshold_ = std::min(threshold_, uppers[(size_t)k - 1]);
  std::erase_if(items_, [&](const Candidate& item) { return item.lower > threshold_; });
  if (items_.size() <= (size_t)k + surplusMax) return;
  overflown_ = true;
  threshold_ = -std::numeric_limits<float>::infinity();
  items_ = {};
}

std::vector<int32_t> CandidateList::finish(int64_t k) {
  compact(k);
  std::vector<int32_t> nodes;
  nodes.reserve(items_.size());
  for (const Candidate& item : items_) nodes.push_back(item.node);
  std::sort(nodes.begin(), nodes.end());
  items_ = {};
  return nodes;
}

}  // namespace ligase
