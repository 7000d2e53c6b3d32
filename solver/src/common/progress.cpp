// Owns the thread that writes progress; see progress.h.
#include "common/progress.h"

#include <atomic>
#include <chrono>
#include <cstdio>

namespace ligase {

namespace {

std::atomic<const char*> currentPhase = "start";
std::atomic<double> currentFraction = 0;

using Time = std::chrono::steady_clock;

void writeLine(Time::time_point start) {
  const std::chrono::duration<double> passed = Time::now() - start;
  std::printf("{\"progress\":{\"phase\":\"%s\",\"fraction\":%.4f,\"seconds\":%.1f}}\n",
              currentPhase.load(), currentFraction.load(), passed.count());
  std::fflush(stdout);
}

}  // namespace

void setPhase(const char* phase) {
  currentFraction = 0;
  currentPhase = phase;
}

void setFraction(double fraction) { currentFraction = fraction; }

ProgressLines::ProgressLines(bool speaks) {
  if (!speaks) return;
  writer_ = std::thread([this, start = Time::now()] {
    std::unique_lock lock(mutex_);
    while (!ended_.wait_for(lock, std::chrono::seconds(1), [this] { return end_; })) {
      writeLine(start);
    }
  });
}

ProgressLines::~ProgressLines() {
  if (!writer_.joinable()) return;
  {
    const std::lock_guard guard(mutex_);
    end_ = true;
  }
  ended_.notify_all();
  writer_.join();
}

}  // namespace ligase
