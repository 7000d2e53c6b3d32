// Owns the threads inside a rank. Invariant: no result depends on their number: each unit of work
// writes what no other unit reads or writes, and MPI is called by the main thread alone.
#pragma once

#include <cstdint>
#include <functional>

namespace ligase {

/// Calls work(thread, unit) once for every unit in [0, units), units in any order, on at most
/// `threads` threads numbered from 0 (one of them the caller). Not collective.
/// @param threads - >= 1. Starting them costs ~20 us each: a call should hold milliseconds of work.
/// @throws what the first failing unit threw, after all threads have ended.
void parallelFor(int threads, int64_t units,
                 const std::function<void(int thread, int64_t unit)>& work);

}  // namespace ligase
