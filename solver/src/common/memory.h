// Owns what a solve costs in memory, before it allocates and after.
#pragma once

#include <mpi.h>

#include <cstdint>

namespace ligase {

/// What the memory of a rank is a function of.
struct MemoryPlan {
  int64_t rows = 0;
  int64_t dimensions = 0;
  int64_t k = 0;
  int64_t fields = 0;
  int64_t times = 0;
  int64_t modes = 0;
  int ranks = 1;
  int threads = 1;
};

/// Bytes that the fullest rank needs at most at once, for a set without duplicates or with: process
/// and libraries, and the largest of loading, search and graph with heat. Not collective.
/// Measured (50,000 random rows, k 15, 1 and 4 ranks): 1.1 to 1.2 times the peak at 1,024
/// dimensions, 1.2 to 1.5 times at 128.
int64_t memoryNeeded(const MemoryPlan& plan);

/// Largest resident memory of any rank's process so far, in bytes. Collective.
int64_t peakMemory(MPI_Comm comm);

}  // namespace ligase
