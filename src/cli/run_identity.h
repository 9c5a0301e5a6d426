// What decides the bytes of a view, for the journal and the manifest of a directory made from it.
#pragma once

#include "cli/options.h"
#include "shardfs/base/result.h"
#include "shardfs/materialize/manifest.h"
#include "shardfs/source/checkpoint.h"

namespace shardfs {

// The program's version, the options as they were resolved, and the source's files: names, sizes, times of the weights,
// contents of the JSON files. Not where the source lies.
Result<RunIdentity> IdentityOf(const ResolvedOptions& resolved, const Checkpoint& checkpoint);

}  // namespace shardfs
