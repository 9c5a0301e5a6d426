#include "materialize/settled_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>

namespace shardfs {
namespace {

constexpr mode_t kModeBits = 07777;

class Settler {
 public:
  Settler(int root, const MaterializePlan& plan, const MaterializeOptions& options)
      : root_(root), plan_(plan), options_(options), uid_(options.uid), gid_(options.gid) {}

  // Takes the owner that was not asked for from what the run wrote, so that all are of one.
  void FollowNewFiles() {
    for (std::size_t i = 0; i < plan_.files().size(); ++i) {
      struct stat info {};
      if (plan_.kept()[i] || !Look(plan_.files()[i].path, info)) continue;
      if (!uid_) uid_ = info.st_uid;
      if (!gid_) gid_ = info.st_gid;
      return;
    }
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
      SHARDFS_RETURN_IF_ERROR(Set(file.path, info, options_.file_mode));
    }
    return Status::Ok();
  }

  Status SettleDirectories() const {
    // The deepest first: a mode without the owner's search bit closes the way to what is below.
    for (auto path = plan_.directories().rbegin(); path != plan_.directories().rend(); ++path) {
      SHARDFS_RETURN_IF_ERROR(Settle(*path, options_.directory_mode));
    }
    return Status::Ok();
  }

  Status Settle(const std::string& path, mode_t mode) const {
    struct stat info {};
    if (Look(path, info)) return Set(path, info, mode);
    const int error = errno;
    return Status::FromErrno(error, fmt::format("cannot look at '{}'", FullPath(path)));
  }

 private:
  bool Look(const std::string& path, struct stat& info) const {
    return ::fstatat(root_, path.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
  }

  // Only what differs: setting what is set already would take a privilege.
  Status Set(const std::string& path, const struct stat& info, mode_t mode) const {
    const uid_t uid = uid_.value_or(info.st_uid);
    const gid_t gid = gid_.value_or(info.st_gid);
    if ((uid != info.st_uid || gid != info.st_gid) &&
        ::fchownat(root_, path.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) != 0) {
      const int error = errno;
      return Status::FromErrno(error, fmt::format("'{}' belongs to {}:{} and cannot be given to {}:{}", FullPath(path),
                                                  info.st_uid, info.st_gid, uid, gid));
    }
    if ((info.st_mode & kModeBits) == mode || ::fchmodat(root_, path.c_str(), mode, 0) == 0) {
      return Status::Ok();
    }
    const int error = errno;
    return Status::FromErrno(error, fmt::format("'{}' has mode {:04o} and cannot be given {:04o}", FullPath(path),
                                                info.st_mode & kModeBits, mode));
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
  return settler.SettleDirectories();
}

Status SettleComplete(int root, const MaterializePlan& plan, const MaterializeOptions& options) {
  const Settler settler(root, plan, options);
  SHARDFS_RETURN_IF_ERROR(settler.SettleFiles());
  for (const char* name : {kManifestName, kCompleteName}) {
    SHARDFS_RETURN_IF_ERROR(settler.Settle(name, options.file_mode));
  }
  SHARDFS_RETURN_IF_ERROR(settler.SettleDirectories());
  return settler.Settle(".", options.directory_mode);
}

}  // namespace shardfs
