#include "service/handed_mount.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "base/parse_number.h"

namespace shardfs {
namespace {

constexpr std::string_view kDescriptors = "/dev/fd/";
constexpr unsigned kMiscMajor = 10;  // the kernel's Documentation/admin-guide/devices.txt
constexpr unsigned kFuseMinor = 229;

std::string AbsoluteText(const std::string& path) {
  std::error_code error;
  std::string text = std::filesystem::absolute(path, error).lexically_normal().string();
  if (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return error ? path : text;
}

bool HasOption(std::string_view options, std::string_view name) {
  const std::string listed = "," + std::string(options) + ",";
  return listed.find("," + std::string(name) + ",") != std::string::npos;
}

Status Refuse(int descriptor, const std::string& reason) {
  return Status::InvalidArgument("--fuse-fd " + std::to_string(descriptor) + ": " + reason);
}

void WarnOf(HandedMount& handed) {
  const MountEntry& entry = *handed.entry;
  if (entry.type != kShardfsType) {
    handed.warnings.push_back(handed.mount_point + " is mounted as type " + entry.type + ", so `shardfs status` and " +
                              "`shardfs umount` will not know it; give mount(2) the type " + std::string(kShardfsType));
  }
  const auto with_options = MountOf(handed.mount_point);
  if (with_options && !HasOption(with_options->super_options, "default_permissions")) {
    handed.warnings.push_back(handed.mount_point + " is mounted without default_permissions, so the kernel does not " +
                              "check the owners and modes of the files; give mount(2) that option");
  }
}

}  // namespace

std::optional<int> DescriptorOfPath(std::string_view mount_point) {
  if (!mount_point.starts_with(kDescriptors)) return std::nullopt;
  const std::optional<int> number = ParseNumber<int>(mount_point.substr(kDescriptors.size()));
  return number && *number >= 0 ? number : std::nullopt;
}

Status CheckFuseDescriptor(int descriptor) {
  if (descriptor <= STDERR_FILENO) {
    return Refuse(descriptor, "0, 1 and 2 are the standard streams; hand /dev/fuse over as 3 or a greater number");
  }
  struct stat attributes {};
  if (::fstat(descriptor, &attributes) != 0) {
    return Refuse(descriptor,
                  "no such descriptor is open; the process that mounts must let it be inherited (no O_CLOEXEC)");
  }
  if (!S_ISCHR(attributes.st_mode) || attributes.st_rdev != makedev(kMiscMajor, kFuseMinor)) {
    return Refuse(descriptor, "that descriptor is not /dev/fuse; hand over the one whose number mount(2) got as fd=N");
  }
  // A mount has queued its first request by the time mount(2) returns. Without a mount the kernel reports an error.
  constexpr int kPatienceMs = 1000;
  pollfd event{descriptor, POLLIN, 0};
  const int count = ::poll(&event, 1, kPatienceMs);
  if (count == 1 && (event.revents & POLLERR) != 0) {
    return Refuse(descriptor,
                  "nothing is mounted with this /dev/fuse, or not any more; call mount(2) with its number "
                  "as fd=N first");
  }
  if (count == 0) {
    return Refuse(descriptor, "the mount of this /dev/fuse has been served before; mount anew for each server");
  }
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  return Status::Ok();
}

bool IsWithinByName(const std::string& path, const std::string& directory) {
  const std::string inner = AbsoluteText(path);
  const std::string outer = AbsoluteText(directory);
  if (!inner.starts_with(outer)) return false;
  return inner.size() == outer.size() || outer == "/" || inner[outer.size()] == '/';
}

Result<HandedMount> ExamineHandedMount(const std::string& mount_point, const std::string& source) {
  HandedMount handed{mount_point, std::nullopt, {}};
  if (DescriptorOfPath(mount_point)) return handed;  // where it is mounted is not known
  const Result<std::string> canonical = CanonicalMountPath(mount_point);
  handed.mount_point = canonical.ok() ? *canonical : AbsoluteText(mount_point);
  if (canonical.ok()) {
    SHARDFS_ASSIGN_OR_RETURN(handed.entry, FindMount(handed.mount_point));
    if (handed.entry && !handed.entry->type.starts_with("fuse"))
      handed.entry.reset();  // another one, of this namespace
  }
  if (!handed.entry) return handed;
  if (IsWithinByName(source, handed.mount_point)) {
    return Status::InvalidArgument("the source " + source + " is inside the mount on " + handed.mount_point +
                                   ", which this process is to serve; give a source elsewhere");
  }
  if (IsWithinByName(handed.mount_point, source)) {
    return Status::InvalidArgument("the mountpoint " + handed.mount_point + " is inside the source " + source +
                                   "; have it mounted on a directory elsewhere");
  }
  WarnOf(handed);
  return handed;
}

}  // namespace shardfs
