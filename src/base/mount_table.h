// The mounts that this process sees (/proc/self/mountinfo). Looking here never touches a mounted file system, so it
// works for one whose server has died, where stat() fails or hangs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/result.h"

namespace shardfs {

struct MountEntry {
  std::uint32_t device_major = 0;
  std::uint32_t device_minor = 0;
  std::string mount_point;            // absolute, escapes decoded
  std::string options;                // of the mount: "ro,nosuid,nodev"
  std::string type;                   // "fuse.shardfs"
  std::string source;                 // escapes decoded
  std::optional<std::uint32_t> user;  // who mounted it, of a FUSE mount
};

inline constexpr std::string_view kShardfsType = "fuse.shardfs";

// The entries of a mountinfo document; lines that do not have its form are passed over.
std::vector<MountEntry> ParseMountTable(std::string_view text);

Result<std::vector<MountEntry>> ReadMountTable();

// A mount of /proc/self/mountinfo with the options of its file system.
struct MountWithOptions {
  MountEntry entry;
  std::string super_options;  // "rw,size=24684096k,huge=advise"
};

// The mount that `path` (absolute) lies on; the topmost. `root` stands before /proc/self/mountinfo, for tests.
std::optional<MountWithOptions> MountOf(const std::string& path, const std::string& root = "");

// The topmost mount on exactly this path, or nothing. `path` as CanonicalMountPath gives it.
Result<std::optional<MountEntry>> FindMount(const std::string& path);

// The absolute path as the mount table writes it: links in the parent are resolved, the last component is not looked
// at, because it may be a mount that no longer answers.
Result<std::string> CanonicalMountPath(const std::string& path);

}  // namespace shardfs
