// Owns what a solve says while it works: on rank 0, one line `{"progress":{"phase","fraction",
// "steps","seconds"}}` a second on stdout: `steps` grow while the ranks get on, `seconds` count
// from the start. Invariants: the run facts are the last line of stdout; nothing here touches MPI
// or the result.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

namespace ligase {

/// Names what is being done and sets its fraction to 0. Any rank, main thread. Not collective.
/// @param phase - a literal: it is kept.
void setPhase(const char* phase);

/// How much of the phase is done, 0..1; cheap enough for any loop. Not collective.
void setFraction(double fraction);

/// One more step of this rank: a part of a phase, an MPI call that returned. Not collective.
void countStep();

/// Writes the lines while it lives.
class ProgressLines {
 public:
  /// @param speaks - whether this rank is the one that writes.
  explicit ProgressLines(bool speaks);
  ~ProgressLines();
  ProgressLines(const ProgressLines&) = delete;
  ProgressLines& operator=(const ProgressLines&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  bool end_ = false;
  std::thread writer_;
};

}  // namespace ligase
