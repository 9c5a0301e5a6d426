// Manifest: what a finished run left in its destination: every file with its size and digest, and what the run was.
//
// It lies in the destination as ".shardfs-manifest.json"; ".shardfs-complete", written last of all, holds the XXH3-128
// of the manifest's bytes in hexadecimal. A directory with that marker is complete, one without is not. With both a
// directory can be checked long after, without the source.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/base/file_digest.h"
#include "shardfs/pipeline/run_identity.h"

namespace shardfs {

inline constexpr char kManifestName[] = ".shardfs-manifest.json";
inline constexpr char kCompleteName[] = ".shardfs-complete";
inline constexpr char kJournalName[] = ".shardfs-journal";
inline constexpr char kJournalDraftName[] = ".shardfs-journal.tmp";  // until its first line is written

struct ManifestFile {
  std::string path;  // relative to the destination
  std::uint64_t size = 0;
  FileDigest digest;
};

struct Manifest {
  RunIdentity run;
  std::vector<std::string> directories;  // ascending
  std::vector<ManifestFile> files;       // ascending by path

  std::string Serialize() const;

  // kCorruption for anything that Serialize would not write: `text` may come from anybody. `what` names it in messages.
  static Result<Manifest> Parse(std::string_view text, std::string_view what);

  // The manifest of the directory `root`, called `directory` in messages, after comparing it with the marker.
  // kNotFound when there is none or no marker, kCorruption when they do not fit.
  static Result<Manifest> Read(int root, const std::string& directory);
};

// Whether a relative path names something below its directory: components are not empty, ".", ".." or longer than 255
// bytes, and hold no NUL.
bool IsSafeRelativePath(std::string_view path);

}  // namespace shardfs
