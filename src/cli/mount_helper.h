// mount.shardfs: how mount(8) and /etc/fstab reach `shardfs mount`.
//
// mount(8) calls the program of that name (mount.fuse.shardfs for the type fuse.shardfs) as `mount.shardfs SOURCE
// MOUNTPOINT [-sfnv] [-N NS] [-t TYPE] [-o OPTIONS]`. Here that becomes the command line of `shardfs mount`, so that
// both take the same options with the same checks.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/result.h"

namespace shardfs {

struct MountHelperCall {
  std::vector<std::string> arguments;  // of the program: "mount", options, "--", SOURCE, MOUNTPOINT
  bool only_check = false;             // -f: look whether the options are right, mount nothing
  bool verbose = false;
  bool help = false;  // asked for; nothing else is set then
};

// Whether the program was started under the name of the mount helper: mount.shardfs, or mount.fuse.shardfs for the type
// that /proc/mounts shows.
bool IsMountHelper(std::string_view program_name);

// Whether the words behind the program's name are a mount helper's: mount.fuse3, which knows nothing of shardfs, calls
// `shardfs SOURCE MOUNTPOINT -o OPTIONS`. `program` has the subcommands.
bool IsHelperCall(const std::vector<std::string>& words, const CLI::App& program);

// `arguments` without the program's name; `mount` is the subcommand, whose options are those that -o may hold.
// kInvalidArgument names the option that it does not have.
Result<MountHelperCall> ParseMountHelperCall(const std::vector<std::string>& arguments, const CLI::App& mount);

// An exit code of the program as mount(8) counts: 1 for a wrong call, 32 for a mount that failed.
int MountHelperExitCode(int exit_code);

}  // namespace shardfs
