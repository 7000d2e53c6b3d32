// Owns the second pass of the exact search: fp64 distances decide.
#pragma once

#include "compute/neighbors.h"
#include "search/select.h"

namespace ligase {

/// Passes all nodes around once more. Collective.
/// Memory: a piece as fp64 (8 MiB), 12 bytes for each candidate, 4 KiB per dimension and thread
/// where nodes are undecided.
Neighbors refine(const SearchTask& task, const Selection& selection);

}  // namespace ligase
