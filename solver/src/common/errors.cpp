// Owns how failures are named, printed and agreed on between ranks; see errors.h.
#include "common/errors.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <optional>
#include <utility>
#include <vector>

namespace ligase {

using Json = nlohmann::ordered_json;

namespace {

constexpr std::array<std::pair<Exit, const char*>, 11> names = {{
    {Exit::usage, "USAGE"},
    {Exit::badData, "BAD_DATA"},
    {Exit::noInput, "NO_INPUT"},
    {Exit::internal, "INTERNAL"},
    {Exit::noResources, "NO_RESOURCES"},
    {Exit::cannotCreate, "CANNOT_CREATE"},
    {Exit::ioError, "IO_ERROR"},
    {Exit::tooFewNodes, "TOO_FEW_NODES"},
    {Exit::notFinite, "NOT_FINITE"},
    {Exit::overBudget, "OVER_BUDGET"},
    {Exit::badCheckpoint, "BAD_CHECKPOINT"},
}};

/// The error of rank `root`, on every rank. Collective.
SolverError broadcastError(MPI_Comm comm, int root, const std::optional<SolverError>& mine) {
  std::string text;
  if (mine) text = Json{(int)mine->exit, mine->what(), mine->where}.dump();
  auto length = (int64_t)text.size();
  MPI_Bcast(&length, 1, MPI_INT64_T, root, comm);
  text.resize((size_t)length);
  MPI_Bcast(text.data(), (int)length, MPI_CHAR, root, comm);
  const Json parts = Json::parse(text);
  SolverError error((Exit)parts[0].get<int>(), parts[1].get<std::string>(), parts[2]);
  error.agreed = true;
  return error;
}

}  // namespace

const char* exitName(Exit exit) {
  for (const auto& [code, name] : names) {
    if (code == exit) return name;
  }
  return "INTERNAL";
}

Json exitTable() {
  Json table = Json::object();
  for (const auto& [code, name] : names) table[name] = (int)code;
  return table;
}

SolverError::SolverError(Exit exit, const std::string& what, Json where)
    : std::runtime_error(what), exit(exit), where(where.is_null() ? Json::object() : where) {}

std::string SolverError::line() const {
  const Json error = {{"code", exitName(exit)}, {"what", what()}, {"where", where}};
  // A file name may hold any bytes: what isn't UTF-8 is replaced, never thrown over.
  return Json{{"error", error}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

SolverError currentError() {
  try {
    throw;
  } catch (const SolverError& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return SolverError(Exit::noResources, "out of memory");
  } catch (const std::exception& error) {
    return SolverError(Exit::internal, error.what());
  }
}

void abortAll(SolverError error) {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  error.where["rank"] = rank;
  std::fprintf(stderr, "%s\n", error.line().c_str());
  std::fflush(stderr);
  MPI_Abort(MPI_COMM_WORLD, (int)error.exit);
  std::_Exit((int)error.exit);
}

void collectively(MPI_Comm comm, const std::function<void()>& work) {
  std::optional<SolverError> mine;
  try {
    work();
  } catch (...) {
    mine = currentError();
  }
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  int failing = mine ? rank : ranks;
  MPI_Allreduce(MPI_IN_PLACE, &failing, 1, MPI_INT, MPI_MIN, comm);
  if (failing < ranks) throw broadcastError(comm, failing, mine);
}

}  // namespace ligase
