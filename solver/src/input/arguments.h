// Owns the command line of mpi_dna_seq.
// Invariant: what it returns is within bounds; solver/solve.ts writes the same flags.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compute/neighbors.h"

namespace ligase {

enum class Mode { solve, help, exitCodes, checkManifest };

struct Arguments {
  Mode mode = Mode::solve;
  /// Manifest, folder or Parquet file; of `--check-manifest` the manifest.
  std::string embeddings;
  /// Empty: beside the input.
  std::string output;
  /// `l2`, `cosine`, or empty: the manifest's, else l2.
  std::string metric;
  /// 1 <= k <= 1000; a set of fewer nodes uses nodes - 1.
  int64_t k = 15;
  /// Ascending, 0 < t <= 100,000, at most 100 of them.
  std::vector<double> times = {1, 10};
  /// Instruction set of the distance loop; empty: the widest. For tests: it changes no byte.
  std::string isa;
};

/// The arguments from argv, and from the JSON file that the positional argument names: an object
/// with any of "metric", "k", "times". A flag goes before the file. Not collective.
/// @throws SolverError USAGE; NO_INPUT or BAD_DATA for that file.
Arguments parseArguments(const std::vector<std::string>& argv);

/// What `--help` prints.
extern const char* const helpText;

}  // namespace ligase
