// What `shardfs status` says of a mount: where it comes from and what was asked for.
#pragma once

#include "pipeline/build_view.h"
#include "fuse/session.h"

namespace shardfs {

// `options` for what the mount itself was asked for (owner, modes); its own description is not looked at.
MountDescription DescribeMount(const BuiltView& built, const FuseOptions& options);

}  // namespace shardfs
