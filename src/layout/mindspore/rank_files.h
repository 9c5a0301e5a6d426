// The rank_<r>/ directories of a source, and which file of each counts: of several the newest, by the last two numbers
// of its path, which are epoch and step in the names that training gives. (spec/mindspore.md, section 3.1)
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/source/source_set.h"

namespace shardfs {

// Epoch and step, of any size: digits without leading zeros.
struct TrainingStep {
  std::string epoch;
  std::string step;

  std::string ToString() const { return epoch + "_" + step; }
  friend bool operator==(const TrainingStep&, const TrainingStep&) = default;
  friend bool operator<(const TrainingStep& a, const TrainingStep& b);
};

struct RankCandidate {
  std::string path;                  // below the source: "rank_0/model_rank_0-1_10.safetensors"
  std::optional<TrainingStep> step;  // the last two numbers of the file's own name
};

struct RankDirectory {
  std::uint32_t rank = 0;
  std::vector<RankCandidate> candidates;  // the one that counts last; empty where no file matches
};

// Whether a name is that of a rank's directory, and of which.
std::optional<std::uint32_t> RankOfDirectory(const std::string& name);

// Ascending by rank. Of files only those that end in `suffix` before ".safetensors" are candidates. Directories that
// are no rank's get into `warnings`. kCorruption where two directories are one rank's, where .ckpt files stand beside
// safetensors, and where a rank has several candidates and the name of one has no two numbers.
Result<std::vector<RankDirectory>> ListRankDirectories(const SourceRoot& root, const std::string& suffix,
                                                       std::vector<std::string>& warnings);

}  // namespace shardfs
