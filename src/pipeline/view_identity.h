// What decides the bytes of a view, for the journal and the manifest of a directory made from it.
#pragma once

#include <string_view>

#include "pipeline/build_view.h"
#include "shardfs/base/result.h"
#include "shardfs/base/file_digest.h"
#include "shardfs/pipeline/run_identity.h"

namespace shardfs {

inline constexpr std::string_view kProgramField = "shardfs";  // the program's version

// The program's version, the options as they took effect, whatever was typed, and the source's files: names, sizes and
// times of the weights, contents of the others that the view shows or was made from. Not where the source lies.
Result<RunIdentity> IdentityOf(const BuiltView& built);

// One digest of the source: of the names, sizes and times of its weights, and of the contents of the others that the
// view shows or was made from.
Result<FileDigest> SourceDigest(const BuiltView& built);

// The plain XXH3-128 of a file's bytes; of a file above 256 MiB, which no text is, of 64 samples from its beginning to
// its end, its size and the times of its sources.
Result<FileDigest> ContentDigest(const VirtualFile& file);

}  // namespace shardfs
