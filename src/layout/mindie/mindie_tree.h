// Builds the view of the mindie layout: the folders of all ranks and the files of the root.
// Source: spec/mindie-weight-sharder.md, sections 2, 4 and 5; spec/mindie-loader-variant.md, section 1, rule 7.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "layout/mindie/config/effective_config.h"
#include "layout/mindie/state_dict.h"
#include "shardfs/checkpoint/checkpoint.h"
#include "shardfs/view/virtual_tree.h"

namespace shardfs {

// The tree keeps the checkpoint alive. What a person should know is appended to `warnings`. Folders are built in
// parallel.
Result<std::shared_ptr<const VirtualTree>> BuildMindieTree(const MindieModel& model,
                                                           CheckpointPtr checkpoint,
                                                           const EffectiveConfig& config, std::uint64_t max_shard_bytes,
                                                           std::vector<std::string>* warnings);

}  // namespace shardfs
