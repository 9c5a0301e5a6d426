// ChecksumList: the SHA-256 of files in the form of sha256sum(1), so that `sha256sum -c` checks what this program
// saves, and the other way round.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/result.h"

namespace shardfs {

struct Checksum {
  std::string path;    // relative to the directory that was checked
  std::string sha256;  // 64 hexadecimal digits in lower case
};

struct ChecksumList {
  std::vector<Checksum> entries;  // ascending by path, each path once

  // Takes lines "DIGEST  PATH" and "DIGEST *PATH", those with a backslash before them, whose paths are escaped, and
  // those of --tag ("SHA256 (PATH) = DIGEST"). kInvalidArgument for any other line, for a path that leads out of the
  // directory, and for one that is given two digests. `what` names the file in messages.
  static Result<ChecksumList> Parse(std::string_view text, std::string_view what);

  std::string Serialize() const;

  const Checksum* Find(std::string_view path) const;  // nullptr where it has none
};

}  // namespace shardfs
