// NetCut: whole tensors cut for the ranks of an inference network. (spec/mindspore.md, section 7)
#pragma once

#include <map>
#include <string>
#include <vector>

#include "layout/mindspore/rank_cut.h"
#include "layout/mindspore/whole_cut.h"
#include "shardfs/checkpoint/ignored_tensor.h"

namespace shardfs {

struct NetCutResult {
  RankCutPtr cut;
  std::vector<IgnoredTensor> ignored;  // that no rank's file is made of, though the ranks are all there are
  std::vector<std::string> warnings;
};

// `name_map`: {network name: stored name}. `destination` may be null: one rank gets all. kInvalidArgument where no name
// of the network is in the source.
Result<NetCutResult> MakeNetCut(CheckpointPtr checkpoint, StrategyPtr destination,
                                const std::map<std::string, std::string>& name_map, const WholeCutOptions& options);

}  // namespace shardfs
