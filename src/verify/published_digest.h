// The digest that a file of a download was published with, as the download itself has kept it.
#pragma once

#include <optional>
#include <string>

#include "base/sha256.h"

namespace shardfs {

struct ExpectedDigest {
  HashKind kind = HashKind::kSha256;  // kSha1: of git's blob, "blob SIZE" and a NUL before the bytes
  std::string hex;                    // in lower case
  std::string from;                   // where it is said, in words: "the name of its blob"
};

// The digest of `path` below `directory`, or nothing where the download says none:
//  - in a Hugging Face cache the file is a link to blobs/DIGEST: the SHA-256 of a large file, git's SHA-1 of another;
//  - `hf download --local-dir` notes the same in .cache/huggingface/download/PATH.metadata, behind the commit.
std::optional<ExpectedDigest> FindPublishedDigest(const std::string& directory, const std::string& path);

}  // namespace shardfs
