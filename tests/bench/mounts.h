// Mounts that last as long as an object: a tmpfs to write into, and file systems of FUSE daemons.
//
// Thread-safety: one thread at a time.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "shardfs/base/result.h"

namespace shardfs::bench {

// Pages of a tmpfs: single ones of 4 KiB, or huge ones wherever one fits into the file.
enum class TmpfsPages : std::uint8_t { kSmall, kHuge };

// A directory with something mounted on it; unmounted and removed with the object.
class MountPoint {
 public:
  // Makes an empty directory below `scratch`.
  static Result<MountPoint> Make(const std::string& scratch);
  MountPoint(MountPoint&& other) noexcept;
  MountPoint& operator=(MountPoint&&) = delete;
  ~MountPoint();

  const std::string& path() const { return path_; }

 private:
  explicit MountPoint(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

Result<MountPoint> MountTmpfs(const std::string& scratch, TmpfsPages pages);

// Whether this kernel can give a tmpfs huge pages.
bool HasHugeTmpfs(const std::string& scratch);

// A FUSE file system served by a program that mounts, goes into the background and ends when it is unmounted.
class FuseMount {
 public:
  // Runs `arguments` with the mount point as one more; returns when the program has returned.
  static Result<FuseMount> Start(const std::string& scratch, std::vector<std::string> arguments);
  FuseMount(FuseMount&& other) noexcept;
  FuseMount& operator=(FuseMount&&) = delete;
  ~FuseMount();  // returns when the daemon has ended, which gives its memory back

  const std::string& path() const { return point_.path(); }
  double seconds() const { return seconds_; }  // that the command took
  Result<std::uint64_t> PeakMemory() const;    // of the daemon, in bytes

 private:
  FuseMount(MountPoint point, double seconds, pid_t daemon)
      : point_(std::move(point)), seconds_(seconds), daemon_(daemon) {}
  MountPoint point_;
  double seconds_;
  pid_t daemon_;  // -1 where it was not found
};

}  // namespace shardfs::bench
