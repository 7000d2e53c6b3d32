// Owns the files of a result while and after it is written.
// Invariants: the final name is either absent or a whole result; an existing one is never replaced
// (there is no --force: who wants another result removes the old one); `<output>.partial` is gone
// after success and every failure that this process lives to see, and a stale one is replaced.
#pragma once

#include <mpi.h>

#include <nlohmann/json.hpp>
#include <string>

namespace ligase {

class Output {
 public:
  /// Claims `<path>.partial`, so that an unwritable place fails before the work. Collective.
  /// @throws SolverError CANNOT_CREATE when `path` exists or its folder can't be written.
  Output(MPI_Comm comm, const std::string& path);
  /// Removes the partial file unless published; any rank may be the one that lives to do it.
  /// Not collective.
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  /// Where the result is to be written.
  const std::string& partial() const { return partial_; }

  /// Makes the partial file durable, writes `<path>.run.json`, then gives the result its name, by
  /// link(2). Collective, after every rank has closed the file.
  /// @throws SolverError CANNOT_CREATE when another result appeared meanwhile, IO_ERROR.
  void publish(const nlohmann::ordered_json& runFacts);

 private:
  void claim();
  bool isOurs(const std::string& path) const;
  void link();

  MPI_Comm comm_;
  std::string path_;
  std::string partial_;
  int rank_ = 0;
  bool claimed_ = false;
  /// The file that the claim made, on rank 0: another solver with the same output would replace it,
  /// and while it is open no other file gets its inode.
  int file_ = -1;
};

}  // namespace ligase
