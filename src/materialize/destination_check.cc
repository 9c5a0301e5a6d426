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
#include "shardfs/base/checked_math.h"
#include "shardfs/materialize/format_bytes.h"
#include "shardfs/materialize/manifest.h"

namespace shardfs {
namespace {

// The path with all links resolved, or empty with errno set.
std::string RealPath(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
  return real ? std::string(real.get()) : std::string();
}

// What a run leaves that is killed before its journal has its name.
constexpr std::string_view kUnbornJournal = ".shardfs-journal.tmp";

bool HasFile(const std::string& directory, const char* name) {
  struct stat info {};
  return ::lstat((directory + "/" + name).c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

Status CheckWritable(const std::string& directory) {
  if (::faccessat(AT_FDCWD, directory.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) == 0) return Status::Ok();
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

// A directory that is there: empty, or left by a run.
Status CheckExistingDirectory(Destination& destination) {
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
    if (name != "." && name != ".." && name != kUnbornJournal && name != ignored) return std::string(name);
  }
  return std::nullopt;
}

Result<Destination> CheckDestination(const std::string& path, const std::string& source) {
  const std::string real_source = RealPath(source);
  if (real_source.empty()) return Status::FromErrno(errno, source);
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  if (trimmed.empty()) return Status::InvalidArgument("the destination is empty; name a directory");

  struct stat info {};
  Destination destination;
  if (::lstat(trimmed.c_str(), &info) == 0) {
    destination.path = RealPath(trimmed);
    if (destination.path.empty() || ::stat(destination.path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
      return Status::InvalidArgument(
          fmt::format("the destination '{}' exists and is not a directory; choose another", path));
    }
    destination.exists = true;
    destination.existing = destination.path;
    SHARDFS_RETURN_IF_ERROR(CheckApartFromSource(destination, real_source));
    SHARDFS_RETURN_IF_ERROR(CheckExistingDirectory(destination));
    return destination;
  }

  const auto slash = trimmed.find_last_of('/');
  const std::string parent = slash == std::string::npos ? "." : slash == 0 ? "/" : trimmed.substr(0, slash);
  const std::string name = slash == std::string::npos ? trimmed : trimmed.substr(slash + 1);
  destination.existing = RealPath(parent);
  if (destination.existing.empty() || ::stat(destination.existing.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    return Status::InvalidArgument(
        fmt::format("the destination's parent '{}' is not an existing directory; create it first", parent));
  }
  destination.path = (destination.existing == "/" ? "" : destination.existing) + "/" + name;
  SHARDFS_RETURN_IF_ERROR(CheckApartFromSource(destination, real_source));
  SHARDFS_RETURN_IF_ERROR(CheckWritable(destination.existing));
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
