/** Regions: the system calls. */
#include "region.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace ligase {

namespace {

std::string code_of(int number) {
  switch (number) {
    case EACCES: return "EACCES";
    case EAGAIN: return "EAGAIN";
    case EDQUOT: return "EDQUOT";
    case EEXIST: return "EEXIST";
    case EFBIG: return "EFBIG";
    case EINVAL: return "EINVAL";
    case EISDIR: return "EISDIR";
    case ELOOP: return "ELOOP";
    case EMFILE: return "EMFILE";
    case ENAMETOOLONG: return "ENAMETOOLONG";
    case ENFILE: return "ENFILE";
    case ENODEV: return "ENODEV";
    case ENOENT: return "ENOENT";
    case ENOMEM: return "ENOMEM";
    case ENOSPC: return "ENOSPC";
    case ENOTDIR: return "ENOTDIR";
    case ENXIO: return "ENXIO";
    case EPERM: return "EPERM";
    default: return "E" + std::to_string(number);
  }
}

/** A call again for as long as a signal breaks it off; -1 as the call says it. */
template <class Call>
auto again(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result == -1 && errno == EINTR);
  return result;
}

}  // namespace

Failure::Failure(int number, const std::string& call)
    : std::runtime_error(code_of(number) + ": " + call + ": " + std::strerror(number)),
      code(code_of(number)) {}

Mapping::Mapping(int file, size_t bytes, int flags) : bytes_(bytes) {
  // Both may write: where a reader does, the kernel gives it its own copy of that page.
  void* data =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, file, 0);
  if (data == MAP_FAILED) throw Failure(errno, "mmap");
  data_ = static_cast<uint8_t*>(data);
}

Mapping::~Mapping() { ::munmap(data_, bytes_); }

void Mapping::populate(bool for_writing) {
#if defined(MADV_POPULATE_READ) && defined(MADV_POPULATE_WRITE)
  ::madvise(data_, bytes_, for_writing ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
#else
  (void)for_writing;
#endif
}

void Mapping::make_private(int file) {
  void* data = ::mmap(data_, bytes_, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED, file, 0);
  if (data == MAP_FAILED) throw Failure(errno, "mmap");
}

Region::Region(int file, size_t bytes, bool writable)
    : file_(file), bytes_(bytes), writable_(writable) {}

Region::Region(Region&& other) noexcept
    : file_(std::exchange(other.file_, -1)),
      bytes_(other.bytes_),
      writable_(other.writable_),
      kept_(std::move(other.kept_)) {}

Region::~Region() { close(); }

Region Region::create(const std::string& path, size_t bytes) {
  const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const int file = again([&] { return ::open(path.c_str(), flags, 0600); });
  if (file < 0) throw Failure(errno, "open");
  Region region(file, bytes, true);
  if (again([&] { return ::ftruncate(file, static_cast<off_t>(bytes)); }) != 0) {
    const int number = errno;
    ::unlink(path.c_str());
    throw Failure(number, "ftruncate");
  }
  return region;
}

Region Region::open(const std::string& path) {
  // Not blocking: a pipe in a file's place must not stop us.
  const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  const int file = again([&] { return ::open(path.c_str(), flags); });
  if (file < 0) throw Failure(errno, "open");
  Region region(file, 0, false);
  struct stat about;
  if (::fstat(file, &about) != 0) throw Failure(errno, "fstat");
  if (!S_ISREG(about.st_mode) || about.st_uid != ::geteuid()) throw Failure(EPERM, "open");
  if (!region.try_lock(false)) throw Failure(EAGAIN, "flock");
  // Looked at again under the lock: nobody who keeps to it changes the size from here on.
  if (::fstat(file, &about) != 0) throw Failure(errno, "fstat");
  if (about.st_nlink == 0) throw Failure(ENOENT, "open");
  region.bytes_ = static_cast<size_t>(about.st_size);
  return region;
}

void Region::write(size_t offset, const uint8_t* from, size_t length) {
  if (kept_ != nullptr) {
    std::memcpy(kept_->data() + offset, from, length);
    return;
  }
  // Fresh pages come cheaper from here than by faults, and a full file system is an error.
  while (length > 0) {
    const auto at = static_cast<off_t>(offset);
    const ssize_t done = again([&] { return ::pwrite(file_, from, length, at); });
    if (done <= 0) throw Failure(done == 0 ? ENOSPC : errno, "pwrite");
    offset += static_cast<size_t>(done);
    from += done;
    length -= static_cast<size_t>(done);
  }
}

void Region::read(size_t offset, uint8_t* to, size_t length) const {
  while (length > 0) {
    const auto at = static_cast<off_t>(offset);
    const ssize_t done = again([&] { return ::pread(file_, to, length, at); });
    if (done <= 0) throw Failure(done == 0 ? EINVAL : errno, "pread");
    offset += static_cast<size_t>(done);
    to += done;
    length -= static_cast<size_t>(done);
  }
}

void Region::keep() {
  if (kept_ != nullptr) return;
  reserve();
  kept_ = std::make_unique<Mapping>(file_, bytes_, MAP_SHARED);
  kept_->populate(true);
}

void Region::reserve() {
  int number;
  do {
    number = ::posix_fallocate(file_, 0, static_cast<off_t>(bytes_));
  } while (number == EINTR);
  if (number != 0) throw Failure(number, "posix_fallocate");
}

bool Region::is_whole() const {
  struct stat about;
  if (::fstat(file_, &about) != 0) throw Failure(errno, "fstat");
  constexpr size_t block = 512;
  return static_cast<size_t>(about.st_blocks) * block >= bytes_;
}

void Region::set_writable(bool writable) {
  if (::fchmod(file_, writable ? 0600 : 0400) != 0) throw Failure(errno, "fchmod");
}

bool Region::try_lock(bool alone) {
  const int how = (alone ? LOCK_EX : LOCK_SH) | LOCK_NB;
  if (again([&] { return ::flock(file_, how); }) == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  throw Failure(errno, "flock");
}

void Region::unlock() {
  if (again([&] { return ::flock(file_, LOCK_UN); }) != 0) throw Failure(errno, "flock");
}

void Region::close() {
  kept_.reset();
  if (file_ >= 0) ::close(std::exchange(file_, -1));
}

}  // namespace ligase
