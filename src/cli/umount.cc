// shardfs umount: takes a view away again, also one whose daemon has died.
#include <sys/stat.h>

#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/output.h"
#include "fuse/mount_table.h"
#include "fuse/unmount.h"

namespace shardfs {
namespace {

struct UmountArguments {
  std::string mount_point;
  bool lazy = false;
  bool if_mounted = false;
};

bool IsSymbolicLink(const std::string& path) {
  struct stat attributes {};
  return ::lstat(path.c_str(), &attributes) == 0 && S_ISLNK(attributes.st_mode);
}

Status RunUmount(const UmountArguments& arguments) {
  SHARDFS_ASSIGN_OR_RETURN(std::string path, CanonicalMountPath(arguments.mount_point));
  SHARDFS_ASSIGN_OR_RETURN(std::optional<MountEntry> mounted, FindMount(path));
  // Looked at only now: what is in the mount table may be dead, and then looking fails.
  if (!mounted && IsSymbolicLink(path)) {
    SHARDFS_ASSIGN_OR_RETURN(path, CanonicalMountPath(path + "/."));
    SHARDFS_ASSIGN_OR_RETURN(mounted, FindMount(path));
  }
  if (!mounted && arguments.if_mounted) return Status::Ok();
  if (!mounted) return Status::InvalidArgument(path + " is not mounted, so there is nothing to unmount");
  if (mounted->type != kShardfsType) {
    return Status::InvalidArgument(path + " is a mount of type " + mounted->type + ", not of " +
                                   std::string(kShardfsType) + "; use umount for it");
  }
  return Unmount(path, arguments.lazy ? UnmountMode::kLazy : UnmountMode::kRefuseBusy);
}

}  // namespace

Command AddUmountCommand(CLI::App& program) {
  CLI::App* command = program.add_subcommand("umount", "Unmount a view");
  auto arguments = std::make_shared<UmountArguments>();
  command->add_option("MOUNTPOINT", arguments->mount_point, "Directory that the view is mounted on")->required();
  command->add_flag("-z,--lazy", arguments->lazy, "Detach it even when busy; it goes when the last file is closed");
  command->add_flag("--if-mounted", arguments->if_mounted, "Succeed when nothing is mounted there");
  return {command, [arguments] { return ExitCodeOf(RunUmount(*arguments)); }};
}

}  // namespace shardfs
