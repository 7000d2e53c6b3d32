// Owns the file that holds a solve's state once its neighbours are known: they cost nearly all of
// the time, and need none of the embeddings any more.
// Invariants: under its name the file is absent or whole (written as `.partial`, made durable, then
// renamed); it is used only for the set, settings and solver that it was made from, on any number
// of ranks and threads; bytes that differ from its checksum are never used.
#pragma once

#include <mpi.h>

#include <string>

#include "compute/collapse.h"
#include "compute/neighbors.h"
#include "input/dataset.h"

namespace ligase {

/// Identity of what the neighbours are a function of: the set's bytes, metric, k and the solver's
/// own binary. 64 hex digits, on all ranks the same. Collective.
std::string checkpointKey(MPI_Comm comm, const Dataset& dataset, const std::string& metric,
                          int64_t k);

class Checkpoint {
 public:
  /// In `folder`, made if it isn't there; one solve at a time may use it. Collective.
  /// @throws SolverError CANNOT_CREATE.
  Checkpoint(MPI_Comm comm, const std::string& folder, const std::string& key);

  /// Takes up what was saved; each rank reads its part. Collective.
  /// @returns false when there is nothing.
  /// @throws SolverError BAD_CHECKPOINT when it is damaged or another solve's.
  bool restore(Nodes& nodes, Neighbors& neighbors) const;

  /// Each rank writes its part. Collective.
  /// @throws SolverError IO_ERROR, maybe on the failing rank alone.
  void save(const Nodes& nodes, const Neighbors& neighbors) const;

  /// Removes it: its solve is done. Collective.
  void remove() const;

 private:
  MPI_Comm comm_;
  std::string path_;
  std::string key_;
  int rank_ = 0;
  int ranks_ = 1;
};

}  // namespace ligase
