// Owns the seconds of each step; they stand in the run facts alone.
#pragma once

#include <mpi.h>

#include <nlohmann/json.hpp>

namespace ligase {

class Clock {
 public:
  /// Ends a step. Not collective. @param step - its name; taken twice, the later time counts.
  void lap(const char* step) {
    const double now = MPI_Wtime();
    seconds_[step] = now - before_;
    before_ = now;
  }
  nlohmann::ordered_json seconds() const { return seconds_; }

 private:
  double before_ = MPI_Wtime();
  nlohmann::ordered_json seconds_ = nlohmann::ordered_json::object();
};

}  // namespace ligase
