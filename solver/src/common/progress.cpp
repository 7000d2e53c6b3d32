// Owns the thread that writes progress; see progress.h.
#include "common/progress.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>

namespace ligase {

namespace {

std::atomic<const char*> currentPhase = "start";
std::atomic<double> currentFraction = 0;
std::atomic<uint64_t> steps = 0;

using Time = std::chrono::steady_clock;

void writeLine(Time::time_point start) {
  const std::chrono::duration<double> passed = Time::now() - start;
  std::printf(
      "{\"progress\":{\"phase\":\"%s\",\"fraction\":%.4f,\"steps\":%llu,\"seconds\":%.1f}}\n",
      currentPhase.load(), currentFraction.load(), (unsigned long long)steps.load(),
      passed.count());
  std::fflush(stdout);
}

}  // namespace

void setPhase(const char* phase) {
  currentFraction = 0;
  currentPhase = phase;
  countStep();
}

void setFraction(double fraction) {
  currentFraction = fraction;
  countStep();
}

void countStep() { steps.fetch_add(1, std::memory_order_relaxed); }

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
