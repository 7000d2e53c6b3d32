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
  std::vector<double> times = {1, 10, 100, 1000};
  /// Rademacher probes beside the inputs' own fields; 0..256.
  int64_t fields = 8;
  /// Non-trivial eigenpairs of each large component; 0..64, 0: no spectrum, no clusters.
  int64_t modes = 16;
  /// Clusters; 0: as many as the largest eigengap says.
  int64_t clusters = 0;
  /// Key of all random numbers; 0 <= seed < 2^53.
  int64_t seed = 0;
  /// Threads of each rank; 1..1024.
  int threads = 1;
  /// Folder of the checkpoint; empty: none is made.
  std::string work;
  /// Whether to go on from a checkpoint in `work`, if there is one.
  bool restart = false;
  /// Bytes that one rank may use; 0: no bound.
  int64_t memoryBytes = 0;
  /// Instruction set of the distance loop; empty: the widest. For tests: it changes no byte.
  std::string isa;
};

/// The arguments from argv, and from the JSON file that the positional argument names: an object
/// with any of "metric", "k", "times", "fields", "modes", "clusters", "seed". A flag goes before
/// the file; the threads are SLURM_CPUS_PER_TASK without one. Not collective.
/// @throws SolverError USAGE; NO_INPUT or BAD_DATA for that file.
Arguments parseArguments(const std::vector<std::string>& argv);

/// What `--help` prints.
extern const char* const helpText;

}  // namespace ligase
