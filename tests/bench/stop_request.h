// Ctrl-C and SIGTERM, taken between steps instead of in the middle of one, so that mounts end and files are removed on
// the way out.
//
// Thread-safety: BlockStopSignals before any thread starts; the others from any thread.
#pragma once

#include "shardfs/base/status.h"

namespace shardfs::bench {

// From here on the two signals wait in a descriptor. A program that is started afterwards must call UnblockStopSignals
// before exec.
Status BlockStopSignals();
void UnblockStopSignals();

int StopDescriptor();  // readable once somebody asked to stop
bool StopRequested();
Status Stopped();  // what is returned then

}  // namespace shardfs::bench
