// Owns what a case says: one JSON line on rank 0, with its error, its tolerance and a digest of all
// bits of its result, which must be the same on any ranks.
#pragma once

#include <mpi.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "common/gather.h"
#include "graphs.h"

namespace ligase::tests {

/// Where cases run and what they found.
class Report {
 public:
  explicit Report(MPI_Comm comm);

  /// The graph of some edges, which the ranks hand in each in part. Collective.
  Graph graph(const Edges& edges) const;

  /// Values of the owned nodes, on every rank. Collective.
  std::vector<double> gather(const std::vector<double>& own, int64_t count, int64_t width) const;

  /// Ends a case: fails it when error > tolerance or error isn't a number. Collective.
  void add(const std::string& name, double error, double tolerance,
           const std::vector<double>& result);

  bool failed() const { return failed_; }

  const MPI_Comm comm;
  int rank = 0;
  int ranks = 1;

 private:
  bool failed_ = false;
};

/// max |a - b|, infinite where the sizes differ.
double difference(const std::vector<double>& a, const std::vector<double>& b);

void spectrumCases(Report& report);
void heatCases(Report& report);
void productCases(Report& report);
void levelCases(Report& report);

}  // namespace ligase::tests
