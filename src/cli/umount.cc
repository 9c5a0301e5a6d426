// shardfs umount: takes a view away again, also one whose daemon has died.
#include <memory>
#include <string>

#include "cli/commands.h"
#include "service/mounted_view.h"
#include "console/output.h"
#include "fuse/unmount.h"

namespace shardfs {
namespace {

struct UmountArguments {
  std::string mount_point;
  bool lazy = false;
  bool if_mounted = false;
};

Status RunUmount(const UmountArguments& arguments) {
  if (arguments.if_mounted) {
    SHARDFS_ASSIGN_OR_RETURN(const bool mounted, IsMounted(arguments.mount_point));
    if (!mounted) return Status::Ok();
  }
  SHARDFS_ASSIGN_OR_RETURN(const MountEntry mounted, FindMountedView(arguments.mount_point, "unmount"));
  return Unmount(mounted.mount_point, arguments.lazy ? UnmountMode::kLazy : UnmountMode::kRefuseBusy);
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
