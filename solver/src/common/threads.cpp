// Owns the dealing of units to threads; see threads.h.
#include "common/threads.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace ligase {

void parallelFor(int threads, int64_t units,
                 const std::function<void(int thread, int64_t unit)>& work) {
  std::atomic<int64_t> next = 0;
  std::exception_ptr failure;
  std::mutex failing;
  const auto run = [&](int thread) {
    try {
      for (int64_t unit = next++; unit < units; unit = next++) work(thread, unit);
    } catch (...) {
      next = units;
      const std::lock_guard guard(failing);
      if (!failure) failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    for (int thread = 1; thread < std::min<int64_t>(threads, units); thread++) {
      others.emplace_back(run, thread);
    }
    run(0);
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace ligase
