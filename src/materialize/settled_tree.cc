#include "materialize/settled_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>

#include "materialize/small_file.h"
#include "shardfs/base/digest_time.h"

namespace shardfs {
namespace {

constexpr mode_t kModeBits = 07777;
constexpr std::int64_t kSecond = 1'000'000'000;  // nanoseconds

// The time of the manifest and the marker, of which the latter holds the former's digest.
std::optional<std::int64_t> TimeOfOwnFiles(int root, std::optional<std::int64_t> time_ns) {
  constexpr std::uint64_t kMaxMarkerBytes = 4096;
  if (!time_ns) return std::nullopt;
  const auto marker = ReadSmallFile(root, kCompleteName, kCompleteName, kMaxMarkerBytes);
  const auto digest = marker.ok() ? FileDigest::FromHex(marker->substr(0, marker->find('\n'))) : std::nullopt;
  return digest ? std::optional(DigestTime(*time_ns, *digest)) : std::nullopt;
}

class Settler {
 public:
  Settler(int root, const MaterializePlan& plan, const MaterializeOptions& options)
      : root_(root), plan_(plan), options_(options), uid_(options.uid), gid_(options.gid) {}

  // Takes the owner that was not asked for from what the run wrote, so that all are of one. Where it went on with an
  // earlier one and had nothing left to write, it is the caller.
  void FollowNewFiles() {
    for (std::size_t i = 0; i < plan_.files().size(); ++i) {
      struct stat info {};
      if (plan_.kept()[i] || !Look(plan_.files()[i].path, info)) continue;
      if (!uid_) uid_ = info.st_uid;
      if (!gid_) gid_ = info.st_gid;
      return;
    }
    struct stat root {};
    if (plan_.unfinished() == nullptr || !Look(".", root)) return;
    if (!uid_) uid_ = ::geteuid();
    if (!gid_) gid_ = (root.st_mode & S_ISGID) != 0 ? root.st_gid : ::getegid();
  }

  Status SettleFiles() const {
    for (const PlannedFile& file : plan_.files()) {
      struct stat info {};
      const bool found = Look(file.path, info) && S_ISREG(info.st_mode);
      if (!found || static_cast<std::uint64_t>(info.st_size) != file.file->size()) {
        return Status::IoError(fmt::format(
            "'{}' was written with {} bytes and {} now; find out what else writes to '{}'", FullPath(file.path),
            file.file->size(), found ? fmt::format("has {}", info.st_size) : "is not there", plan_.destination()));
      }
      SHARDFS_RETURN_IF_ERROR(Set(file.path, info, options_.file_mode, options_.time_ns));
    }
    return Status::Ok();
  }

  // The destination that an earlier run of another user made.
  Status SettleRootOwner() const {
    struct stat info {};
    if (plan_.unfinished() == nullptr || !Look(".", info) || info.st_uid == uid_.value_or(info.st_uid)) {
      return Status::Ok();
    }
    return Set(".", info, info.st_mode & kModeBits, std::nullopt);
  }

  Status SettleDirectories() const {
    // The deepest first: a mode without the owner's search bit closes the way to what is below.
    for (auto path = plan_.directories().rbegin(); path != plan_.directories().rend(); ++path) {
      SHARDFS_RETURN_IF_ERROR(Settle(*path, options_.directory_mode, options_.time_ns));
    }
    return Status::Ok();
  }

  Status Settle(const std::string& path, mode_t mode, std::optional<std::int64_t> time_ns) const {
    struct stat info {};
    if (Look(path, info)) return Set(path, info, mode, time_ns);
    const int error = errno;
    return Status::FromErrno(error, fmt::format("cannot look at '{}'", FullPath(path)));
  }

 private:
  bool Look(const std::string& path, struct stat& info) const {
    return ::fstatat(root_, path.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
  }

  // Only what differs: setting what is set already would take a privilege.
  Status Set(const std::string& path, const struct stat& info, mode_t mode, std::optional<std::int64_t> time_ns) const {
    const uid_t uid = uid_.value_or(info.st_uid);
    const gid_t gid = gid_.value_or(info.st_gid);
    if ((uid != info.st_uid || gid != info.st_gid) &&
        ::fchownat(root_, path.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) != 0) {
      const int error = errno;
      return Status::FromErrno(error, fmt::format("'{}' belongs to {}:{} and cannot be given to {}:{}", FullPath(path),
                                                  info.st_uid, info.st_gid, uid, gid));
    }
    if ((info.st_mode & kModeBits) != mode && ::fchmodat(root_, path.c_str(), mode, 0) != 0) {
      const int error = errno;
      return Status::FromErrno(error, fmt::format("'{}' has mode {:04o} and cannot be given {:04o}", FullPath(path),
                                                  info.st_mode & kModeBits, mode));
    }
    return time_ns ? SetTimeOf(path, info, *time_ns) : Status::Ok();
  }

  // A file system may keep less than nanoseconds: whose time is right but for those is not to be refused.
  Status SetTimeOf(const std::string& path, const struct stat& info, std::int64_t time_ns) const {
    const std::int64_t seconds = time_ns / kSecond;
    const bool is_set = info.st_mtim.tv_sec == seconds && info.st_mtim.tv_nsec == time_ns % kSecond;
    if (is_set || SetTime(root_, path.c_str(), time_ns) || info.st_mtim.tv_sec == seconds) return Status::Ok();
    const int error = errno;
    return Status::FromErrno(error, fmt::format("'{}' has the time {} s and cannot be given {} s", FullPath(path),
                                                info.st_mtim.tv_sec, seconds));
  }

  std::string FullPath(const std::string& path) const {
    return path == "." ? plan_.destination() : plan_.destination() + "/" + path;
  }

  const int root_;
  const MaterializePlan& plan_;
  const MaterializeOptions& options_;
  std::optional<uid_t> uid_;  // any when not given
  std::optional<gid_t> gid_;
};

}  // namespace

Status SettleTree(int root, const MaterializePlan& plan, const MaterializeOptions& options) {
  Settler settler(root, plan, options);
  settler.FollowNewFiles();
  SHARDFS_RETURN_IF_ERROR(settler.SettleFiles());
  SHARDFS_RETURN_IF_ERROR(settler.SettleRootOwner());
  return settler.SettleDirectories();
}

Status SettleComplete(int root, const MaterializePlan& plan, const MaterializeOptions& options) {
  const Settler settler(root, plan, options);
  SHARDFS_RETURN_IF_ERROR(settler.SettleFiles());
  for (const char* name : {kManifestName, kCompleteName}) {
    SHARDFS_RETURN_IF_ERROR(settler.Settle(name, options.file_mode, TimeOfOwnFiles(root, options.time_ns)));
  }
  SHARDFS_RETURN_IF_ERROR(settler.SettleDirectories());
  return settler.Settle(".", options.directory_mode, options.time_ns);
}

}  // namespace shardfs
