// Owns digest and line of a case; see report.h.
#include "report.h"

#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

namespace ligase::tests {

namespace {

/// FNV-1a over the bits.
uint64_t digestOf(const std::vector<double>& values) {
  uint64_t digest = 0xcbf29ce484222325;
  for (const double value : values) {
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    for (int byte = 0; byte < 8; byte++) {
      digest = (digest ^ (bits >> (8 * byte) & 0xff)) * 0x100000001b3;
    }
  }
  return digest;
}

}  // namespace

Report::Report(MPI_Comm comm) : comm(comm) {
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
}

Graph Report::graph(const Edges& edges) const {
  return assembleGraph(comm, edges.count, share(edges, rank, ranks));
}

std::vector<double> Report::gather(const std::vector<double>& own, int64_t count,
                                   int64_t width) const {
  const Layout layout(ranks, [&](int r) { return ownedRange(count, r, ranks); });
  return gatherAll(comm, own, layout, width);
}

void Report::add(const std::string& name, double error, double tolerance,
                 const std::vector<double>& result) {
  const bool passed = error <= tolerance;
  failed_ = failed_ || !passed;
  if (rank != 0) return;
  const nlohmann::ordered_json line = {{"case", name},
                                       {"passed", passed},
                                       {"error", error},
                                       {"tolerance", tolerance},
                                       {"digest", std::to_string(digestOf(result))}};
  std::printf("%s\n", line.dump().c_str());
}

double difference(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (size_t i = 0; i < a.size(); i++) {
    const double step = std::abs(a[i] - b[i]);
    if (!(step <= largest)) largest = step;
  }
  return largest;
}

}  // namespace ligase::tests
