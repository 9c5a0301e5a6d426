// Finding, among files of one size, those that are likely to have the same content: by samples, so that whatever is
// paired here has to be compared in full.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/verify/verifier.h"

namespace shardfs {

// The directory's side.
struct Directory {
  int fd;
  const std::string& path;  // for messages
};

struct ExpectedContent {
  std::string path;
  const VirtualFile* file;
};
struct FoundContent {
  std::string path;
  std::uint64_t size;
};
struct LikelyPair {
  std::size_t expected;  // index
  std::size_t found;     // index
};

// Pairs each found file with at most one expected file of the same size and samples, and the other way round; files
// of one base name or folder before others, never those of one path. Empty files are not paired.
Result<std::vector<LikelyPair>> PairBySamples(const Directory& directory, const std::vector<ExpectedContent>& expected,
                                              const std::vector<FoundContent>& found);

}  // namespace shardfs
