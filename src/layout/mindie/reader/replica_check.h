// CheckReplicas: whether the copies of one tensor that ranks of a MindIE directory hold are the same. A merge shows the
// lowest rank's; where another differs, a run has been interrupted or folders of two runs were mixed, and no reader
// can know which of them is meant.
// Source: spec/mindie-as-source.md, end of section 5.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/checkpoint/content_check.h"

namespace shardfs {

struct ReplicaCheck {
  std::uint64_t tensors = 0;       // stored ones that are a copy of another, or must be zeros
  std::uint64_t differing = 0;     // of them
  std::vector<std::string> first;  // a sentence with both files for each of the first ten that differ
};

// Reads all copies in the directory `path`. kIoError where one cannot be read; otherwise errors of
// ShardedDirectory::Open and of config.json.
Result<ReplicaCheck> CheckReplicas(const std::string& path);

// What `plan --check` prints of it.
std::string FormatReplicaCheck(const ReplicaCheck& check);

// CheckReplicas as a check of a checkpoint, named "replicas".
ContentCheck MakeReplicaCheck(std::string path);

}  // namespace shardfs
