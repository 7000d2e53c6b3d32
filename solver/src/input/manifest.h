// Owns the C++ side of the contract in solver/manifest.ts: the same fields, bounds and sums.
// Invariant: what one side refuses, the other refuses (test/golden/manifest.json and the parity
// test hold both to it).
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace ligase {

/// One Parquet file of the set.
struct Shard {
  std::string file;
  /// Index of its input; < number of inputs.
  int64_t input = 0;
  /// Sum of rowGroups.
  int64_t rows = 0;
  /// Sum of the rows of all shards before this one.
  int64_t firstRow = 0;
  /// Both from the manifest; without one, bytes is the file's size and nothing is compared.
  int64_t bytes = 0;
  uint32_t crc32c = 0;
  std::vector<int64_t> rowGroups;
};

/// What the solver needs of a manifest.
struct Manifest {
  int64_t rows = 0;
  /// d; 0 when unknown (a single file without rows).
  int64_t dimensions = 0;
  std::string metric = "l2";
  /// Sample names, in the order of the inputs.
  std::vector<std::string> samples;
  std::vector<Shard> shards;
};

/// A manifest from its text. Not collective.
/// @throws SolverError BAD_DATA naming the field that breaks the schema or a sum.
Manifest parseManifest(const std::string& text, const std::string& uri);

/// What `--check-manifest` prints: the numbers that the TypeScript side compares.
nlohmann::ordered_json manifestSummary(const Manifest& manifest);

/// The manifest again from its own summary: how rank 0 hands it to the others.
Manifest manifestFromSummary(const nlohmann::ordered_json& summary);

}  // namespace ligase
