#include "materialize/destination_check.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "base/path_within.h"
#include "materialize/journal.h"
#include "shardfs/base/checked_math.h"
#include "shardfs/base/format_bytes.h"
#include "shardfs/materialize/manifest.h"

namespace shardfs {
namespace {

// The path with all links resolved, or empty with errno set.
std::string RealPath(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
  return real ? std::string(real.get()) : std::string();
}

// A directory that keeps being removed and made by other runs is looked for so many times.
constexpr int kTries = 16;

bool HasFile(const std::string& directory, const char* name) {
  struct stat info {};
  return ::lstat((directory + "/" + name).c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

// Whether the process may do `mode` (access(2)) with its effective user and group. faccessat is called only where these
// differ from the real ones: the C library makes it the system call faccessat2, which container runtimes older than the
// call (Docker before 20.10) refuse with EPERM.
bool MayAccess(const std::string& path, int mode) {
  const bool effective_is_real = ::geteuid() == ::getuid() && ::getegid() == ::getgid();
  return (effective_is_real ? ::access(path.c_str(), mode)
                            : ::faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS)) == 0;
}

Status CheckWritable(const std::string& directory) {
  if (MayAccess(directory, R_OK | W_OK | X_OK)) return Status::Ok();
  return Status::InvalidArgument(fmt::format("cannot create files in '{}': {}", directory,
                                             std::strerror(errno)));  // NOLINT(concurrency-mt-unsafe)
}

Status CheckApartFromSource(const Destination& destination, const std::string& source) {
  if (IsWithin(destination.exists ? destination.path : destination.existing, source)) {
    return Status::InvalidArgument(
        fmt::format("the destination '{}' is inside the source '{}'; choose another place", destination.path, source));
  }
  if (destination.exists && IsWithin(source, destination.path)) {
    return Status::InvalidArgument(
        fmt::format("the destination '{}' contains the source '{}'; choose another place", destination.path, source));
  }
  return Status::Ok();
}

// A path that leads to something already: to a directory apart from the source, or kNotFound for one that leads nowhere
// any more.
Result<Destination> FindExisting(const std::string& real_path, const std::string& typed, const std::string& source) {
  struct stat info {};
  const bool is_there = !real_path.empty() && ::stat(real_path.c_str(), &info) == 0;
  if (!is_there || !S_ISDIR(info.st_mode)) {
    const bool is_gone = !is_there && errno == ENOENT;
    const std::string message =
        fmt::format("the destination '{}' exists and is not a directory; choose another", typed);
    return is_gone ? Status::NotFound(message) : Status::InvalidArgument(message);
  }
  Destination destination;
  destination.path = destination.existing = real_path;
  destination.exists = true;
  SHARDFS_RETURN_IF_ERROR(CheckApartFromSource(destination, source));
  auto lock = DestinationLock::Take(real_path);
  if (!lock.ok()) return lock.status();
  destination.lock = *std::move(lock);
  return destination;
}

// A path that leads nowhere yet, in a directory that is there.
Result<Destination> FindNew(const std::string& path, const std::string& source) {
  struct stat info {};
  Destination destination;
  const auto slash = path.find_last_of('/');
  const std::string parent = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  destination.existing = RealPath(parent);
  if (destination.existing.empty() || ::stat(destination.existing.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    return Status::InvalidArgument(
        fmt::format("the destination's parent '{}' is not an existing directory; create it first", parent));
  }
  destination.path = (destination.existing == "/" ? "" : destination.existing) + "/" + name;
  SHARDFS_RETURN_IF_ERROR(CheckApartFromSource(destination, source));
  SHARDFS_RETURN_IF_ERROR(CheckWritable(destination.existing));
  return destination;
}

// "1.37 TB", or with the exact number when both sides would look the same.
std::string Amount(std::uint64_t bytes, std::uint64_t other) {
  const std::string human = FormatBytes(bytes);
  return human == FormatBytes(other) ? fmt::format("{} ({} bytes)", human, bytes) : human;
}

bool LivesInMemory(const std::string& path) {
  struct statfs info {};
  if (::statfs(path.c_str(), &info) != 0) return false;
  return info.f_type == TMPFS_MAGIC || info.f_type == RAMFS_MAGIC;
}

Status NotEnough(std::string_view what, std::uint64_t needed, std::string_view where, std::uint64_t available) {
  return Status::ResourceExhausted(
      fmt::format("the files need {} of {} and only {} is available ({}); make room, choose another destination, or "
                  "write fewer ranks",
                  Amount(needed, available), what, Amount(available, needed), where));
}

}  // namespace

Status CheckMayBeFilled(const std::string& path) {
  SHARDFS_RETURN_IF_ERROR(CheckWritable(path));
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return Status::FromErrno(errno, path);
  if (::geteuid() != 0 && info.st_uid != ::geteuid()) {
    return Status::InvalidArgument(fmt::format(
        "the destination '{}' belongs to user {} and its mode cannot be set by user {}; remove it or choose "
        "another",
        path, info.st_uid, ::geteuid()));
  }
  return Status::Ok();
}

std::optional<std::string> AnyEntry(const std::string& directory, std::string_view ignored) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(directory.c_str()), &::closedir);
  if (!dir) return std::nullopt;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != ".." && name != kJournalDraftName && name != ignored) return std::string(name);
  }
  return std::nullopt;
}

Result<Destination> FindDestination(const std::string& path, const std::string& source) {
  const std::string real_source = RealPath(source);
  if (real_source.empty()) return Status::FromErrno(errno, source);
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  if (trimmed.empty()) return Status::InvalidArgument("the destination is empty; name a directory");

  std::string reason = fmt::format("other runs keep removing and making '{}'; run again", path);
  for (int i = 0; i < kTries; ++i) {
    struct stat info {};
    if (::lstat(trimmed.c_str(), &info) != 0) return FindNew(trimmed, real_source);
    auto found = FindExisting(RealPath(trimmed), path, real_source);
    // A run that failed may have removed the directory, and another have made it again, before it was locked.
    if (found.ok() ? found->lock->IsAt(found->path) : found.status().code() != StatusCode::kNotFound) return found;
    if (!found.ok()) reason = found.status().message();
  }
  return Status::InvalidArgument(std::move(reason));
}

Status LookInto(Destination& destination) {
  const std::string& path = destination.path;
  destination.is_complete = HasFile(path, kCompleteName);
  destination.is_unfinished = !destination.is_complete && HasFile(path, kJournalName);
  const bool is_ours = destination.is_complete || destination.is_unfinished;
  if (const auto entry = is_ours ? std::nullopt : AnyEntry(path)) {
    return Status::InvalidArgument(
        fmt::format("the destination '{}' is not empty (it has '{}'); remove it or choose another", path, *entry));
  }
  return destination.is_complete ? Status::Ok() : CheckMayBeFilled(path);
}

Result<Destination> CheckDestination(const std::string& path, const std::string& source) {
  SHARDFS_ASSIGN_OR_RETURN(Destination destination, FindDestination(path, source));
  if (destination.exists) SHARDFS_RETURN_IF_ERROR(LookInto(destination));
  return destination;
}

Status CheckRoom(const std::string& existing, const RoomNeeded& needed, const MemoryFiles& memory) {
  struct statvfs filesystem {};
  if (::statvfs(existing.c_str(), &filesystem) != 0) return Status::FromErrno(errno, existing);
  const std::uint64_t block = filesystem.f_frsize == 0 ? 4096 : filesystem.f_frsize;
  std::uint64_t bytes = needed.directories * block;
  for (const std::uint64_t size : needed.file_sizes) bytes += CeilDiv(size, block) * block;
  bytes -= std::min(bytes, needed.reclaimed_bytes);

  const std::string where = fmt::format("filesystem of '{}'", existing);
  // A filesystem without a limit (tmpfs with size=0, btrfs' inodes) says 0 in all.
  if (filesystem.f_blocks != 0) {
    const std::uint64_t available = filesystem.f_bavail * block;
    if (bytes > available) return NotEnough("space", bytes, where, available);
  }
  const std::uint64_t inodes = needed.file_sizes.size() + needed.directories;
  if (filesystem.f_files != 0 && inodes > filesystem.f_favail) {
    return Status::ResourceExhausted(
        fmt::format("{} files and directories are to be written and only {} inodes are "
                    "available ({}); choose another destination, or write fewer ranks",
                    inodes, filesystem.f_favail, where));
  }
  if (LivesInMemory(existing)) {
    for (const MemoryLimit& limit : ReadMemoryLimits(memory)) {
      if (bytes > limit.available) return NotEnough("memory", bytes, limit.name, limit.available);
    }
  }
  return Status::Ok();
}

}  // namespace shardfs
