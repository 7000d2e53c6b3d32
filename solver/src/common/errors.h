// Owns the closed table of exit codes and the one exception of the solver.
// Invariants: an exit code here stands in solver/solve.ts too, with the same name (a test compares
// them); whatever fails ends as ONE JSON line on stderr, written by one rank.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

namespace ligase {

/// Exit codes, sysexits-like; 0 is success.
enum class Exit : int {
  usage = 64,
  badData = 65,
  noInput = 66,
  internal = 70,
  noResources = 71,
  cannotCreate = 73,
  ioError = 74,
  tooFewNodes = 75,
  notFinite = 76,
  overBudget = 77,
  badCheckpoint = 78,
};

/// The name of an exit code as it stands in the error line: `BAD_DATA`.
const char* exitName(Exit exit);

/// The whole table as {name: code}, for the test that compares it with solver/solve.ts.
nlohmann::ordered_json exitTable();

/// A failure with its exit code and its place (uri, row, rank ...).
class SolverError : public std::runtime_error {
 public:
  SolverError(Exit exit, const std::string& what, nlohmann::ordered_json where = {});

  /// The line `{"error":{"code","what","where"}}`, without newline.
  std::string line() const;

  Exit exit;
  nlohmann::ordered_json where;
  /// True once every rank throws this same error: then rank 0 alone prints it.
  bool agreed = false;
};

/// The exception in flight as a SolverError; call it inside a catch block. Not collective.
SolverError currentError();

/// Prints the error's line with this rank and ends all ranks with its exit code, whatever they wait
/// for. Not collective; doesn't return.
[[noreturn]] void abortAll(SolverError error);

/// Runs `work`, a part without communication, on every rank. Collective.
/// When it fails on some rank, all ranks throw the same error (that of the lowest failing rank), so
/// nobody waits for a rank that gave up.
void collectively(MPI_Comm comm, const std::function<void()>& work);

}  // namespace ligase
