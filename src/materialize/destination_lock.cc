#include "materialize/destination_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include "materialize/journal.h"

namespace shardfs {
namespace {

constexpr int kTries = 100;
constexpr std::chrono::milliseconds kPause{10};  // between two of them

enum class Outcome { kTaken, kHeld, kNoLocks };

Outcome Try(int fd, int operation) {
  int result;
  do {
    result = ::flock(fd, operation | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return Outcome::kTaken;
  return errno == EWOULDBLOCK ? Outcome::kHeld : Outcome::kNoLocks;
}

// Whether a process of another machine holds a file of the destination: there flock is a lock of ranges on the server,
// which can be asked for without taking one.
bool IsHeldElsewhere(int directory, const char* name) {
  const FileDescriptor file(::openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.valid()) return false;
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  return ::fcntl(file.get(), F_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

}  // namespace

Result<std::shared_ptr<DestinationLock>> DestinationLock::Open(int at, const char* name, const std::string& path) {
  FileDescriptor directory(::openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat info {};
  if (directory.valid() && ::fstat(directory.get(), &info) == 0) {
    return std::shared_ptr<DestinationLock>(new DestinationLock(std::move(directory), path, info));
  }
  const int error = errno;
  const Status status = Status::FromErrno(error, fmt::format("cannot open the destination '{}'", path));
  if (error == EACCES || error == EPERM) return Status::InvalidArgument(std::string(status.message()));
  return status;
}

Result<std::shared_ptr<DestinationLock>> DestinationLock::Take(const std::string& path) {
  SHARDFS_ASSIGN_OR_RETURN(auto lock, Open(AT_FDCWD, path.c_str(), path));
  for (const char* name : {kJournalDraftName, kJournalName}) {
    if (IsHeldElsewhere(lock->directory_.get(), name)) return lock->Busy();
  }
  if (Try(lock->directory_.get(), LOCK_SH) == Outcome::kHeld) return lock->Busy();
  return lock;
}

Result<std::shared_ptr<DestinationLock>> DestinationLock::TakeNew(int root, const std::string& path) {
  SHARDFS_ASSIGN_OR_RETURN(auto lock, Open(root, ".", path));
  SHARDFS_RETURN_IF_ERROR(lock->MakeExclusive());
  return lock;
}

Status DestinationLock::MakeExclusive() {
  const int fd = directory_.get();
  for (int i = 0; i < kTries; ++i) {
    // A try that fails lets go of the shared lock, so that of two runs that want to write the later one gets it.
    if (Try(fd, LOCK_EX) != Outcome::kHeld) return Status::Ok();
    if (Try(fd, LOCK_SH) == Outcome::kHeld) return Busy();  // by a run that writes
    ::flock(fd, LOCK_UN);
    std::this_thread::sleep_for(kPause);
  }
  return Status::InvalidArgument(
      fmt::format("another run is checking what is in '{}'; wait for it, or choose another destination", path_));
}

bool DestinationLock::Is(const struct stat& info) const {
  return info.st_dev == info_.st_dev && info.st_ino == info_.st_ino;
}

bool DestinationLock::IsAt(const std::string& path) const {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && Is(info);
}

Status DestinationLock::Busy() const {
  return Status::InvalidArgument(
      fmt::format("another run is writing there (it holds '{}'); wait for it, or choose another destination", path_));
}

}  // namespace shardfs
