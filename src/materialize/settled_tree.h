// The last look at what a run wrote or found written.
#pragma once

#include "shardfs/base/status.h"
#include "shardfs/materialize/materializer.h"

namespace shardfs {

// Every file of the plan is below `root`, which is its destination, with its size, or kIoError says which is not,
// whatever else wrote to the directory meanwhile. It and the directories have the modes and the time asked for
// afterwards, and the owner: that asked for, else that of what this run wrote; of a run that went on with an earlier
// one and had nothing left to write, the caller. The destination itself gets the owner only, and only where it was gone
// on with.
Status SettleTree(int root, const MaterializePlan& plan, const MaterializeOptions& options);

// The same for a complete destination, with the destination and the manifest in it.
Status SettleComplete(int root, const MaterializePlan& plan, const MaterializeOptions& options);

}  // namespace shardfs
