// The time that all files and directories of a view have, in a mount and in a directory that `materialize` writes.
//
// Two views of one checkpoint have files of the same names and, mostly, of the same sizes. A program that compares
// sizes and times (rsync -a, a backup, an HTTP cache) would keep the first view's bytes when the second takes its
// place. So the time is made of all that decides a view's bytes, and two views have one whole second in common once in
// a million:
//
//   1. newest: the latest modification time of the source's files that the view is made of: the weights, the files
//   whose
//      text the layout reads (config.json, the description), and those that are shown as they are.
//   2. digest: XXH3-128 of the layout's name and the version of its rules; its parallel sizes and options as they took
//      effect; of the weights their names, sizes and times, and of the other source files their contents; and of the
//      view's files their names, sizes and, where the layout generates them, contents. Not of owners and modes, which
//      decide no byte, nor of the ranks that a run writes, nor of the program's version.
//   3. time: newest less (digest modulo 1,000,000) seconds (shardfs/materialize/digest_time.h).
//
// The same view of the same source has the same time each time. It moves with the source's times, never with the
// moment of the mount.
#pragma once

#include <cstdint>

#include "pipeline/build_view.h"
#include "shardfs/base/result.h"
#include "shardfs/base/file_digest.h"
#include "shardfs/pipeline/run_identity.h"

namespace shardfs {

// Nanoseconds since the epoch. `identity` is IdentityOf(built) (pipeline/view_identity.h). Reads the view's generated files,
// and fails as opening or reading a source file fails.
Result<std::int64_t> TimeOf(const BuiltView& built, const RunIdentity& identity);

// The same for a caller that has no other use for the identity.
Result<std::int64_t> TimeOf(const BuiltView& built);

}  // namespace shardfs
