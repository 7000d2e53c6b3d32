// Owns claim, link and durability of the result; see publish.h. Rank 0 does all of it.
#include "output/publish.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "common/errors.h"

namespace ligase {

namespace {

[[noreturn]] void fail(Exit exit, const std::string& what, const std::string& path) {
  throw SolverError(exit, what, {{"uri", path}});
}

[[noreturn]] void failErrno(Exit exit, const std::string& path) {
  fail(exit, std::strerror(errno), path);
}

/// Makes a file or a folder durable.
void sync(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) failErrno(Exit::ioError, path);
  const int result = fsync(file);
  close(file);
  if (result != 0) failErrno(Exit::ioError, path);
}

std::string folderOf(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? "." : folder.string();
}

/// Writes a file whole or not at all.
void replaceFile(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".partial";
  const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) failErrno(Exit::cannotCreate, temporary);
  const auto written = write(file, text.data(), text.size());
  const bool whole = written == (ssize_t)text.size() && fsync(file) == 0;
  close(file);
  if (!whole) {
    unlink(temporary.c_str());
    fail(Exit::ioError, "can't be written", path);
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) failErrno(Exit::ioError, path);
}

}  // namespace

Output::Output(MPI_Comm comm, const std::string& path)
    : comm_(comm), path_(path), partial_(path + ".partial") {
  MPI_Comm_rank(comm_, &rank_);
  collectively(comm_, [&] {
    if (rank_ == 0) claim();
  });
  claimed_ = true;
}

Output::~Output() {
  if (claimed_) unlink(partial_.c_str());
  if (file_ >= 0) close(file_);
}

void Output::claim() {
  struct stat status {};
  if (lstat(path_.c_str(), &status) == 0) {
    fail(Exit::cannotCreate, "the output exists and is never replaced", path_);
  }
  if (unlink(partial_.c_str()) != 0 && errno != ENOENT) failErrno(Exit::cannotCreate, partial_);
  file_ = open(partial_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file_ < 0) failErrno(Exit::cannotCreate, partial_);
}

bool Output::isOurs(const std::string& path) const {
  struct stat named {};
  struct stat made {};
  return stat(path.c_str(), &named) == 0 && fstat(file_, &made) == 0 &&
         named.st_dev == made.st_dev && named.st_ino == made.st_ino;
}

void Output::link() {
  if (!isOurs(partial_)) {
    claimed_ = false;
    fail(Exit::cannotCreate, "another solver took over the partial file", partial_);
  }
  if (::link(partial_.c_str(), path_.c_str()) == 0) return;
  if (errno != EEXIST) failErrno(Exit::cannotCreate, path_);
  // A network file system may lose the reply of a link that succeeded: same inode means ours.
  if (isOurs(path_)) return;
  fail(Exit::cannotCreate, "the output exists and is never replaced", path_);
}

void Output::publish(const nlohmann::ordered_json& runFacts) {
  // From here on rank 0 alone knows whether the partial file is still this solver's.
  if (rank_ != 0) claimed_ = false;
  collectively(comm_, [&] {
    if (rank_ != 0) return;
    sync(partial_);
    replaceFile(path_ + ".run.json", runFacts.dump(1) + "\n");
    link();
    unlink(partial_.c_str());
    claimed_ = false;
    sync(folderOf(path_));
  });
}

}  // namespace ligase
