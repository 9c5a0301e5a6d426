// What decides the bytes of a view, for the journal and the manifest of a directory made from it.
#pragma once

#include "cli/options.h"
#include "shardfs/base/result.h"
#include "shardfs/materialize/manifest.h"

namespace shardfs {

// The program's version, the options as they took effect, whatever was typed, and the source's files: names, sizes and
// times of the weights, contents of the others that the view shows or was made from. Not where the source lies.
Result<RunIdentity> IdentityOf(const View& view);

}  // namespace shardfs
