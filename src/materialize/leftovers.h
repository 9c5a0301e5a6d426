// What an earlier run left in a destination, where it is to be thrown away.
#pragma once

#include <string>

#include "materialize/journal.h"
#include "shardfs/base/status.h"

namespace shardfs {

// What a run writes beside its files, complete or not, but for the journal.
inline constexpr const char* kOwnFiles[] = {".shardfs-complete", ".shardfs-complete.tmp", ".shardfs-manifest.json",
                                            ".shardfs-manifest.json.tmp"};

// kInvalidArgument that names `entry`, a path below the destination.
Status NotMadeByTheRun(const std::string& destination, const std::string& entry);

// OK where the run that left `left` made all that is in the directory, as far as it can be listed: throwing it away
// would stop half way at anything else, with the good files gone. Follows no links.
Status CheckNothingElse(const std::string& destination, const JournalContents& left);

}  // namespace shardfs
