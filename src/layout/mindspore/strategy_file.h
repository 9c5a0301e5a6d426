// Strategy files: protobuf, or JSON where the name ends in .json; one for all, or one a rank, which are merged.
// (spec/mindspore.md, sections 1.1 to 1.4)
//
// Thread-safety: free functions without shared state. No exception leaves them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "layout/mindspore/strategy.h"
#include "shardfs/base/result.h"

namespace shardfs {

// Ten times the strategy of the largest models, merged over all stages.
inline constexpr std::uint64_t kMaxStrategyBytes = 64u << 20;

// The name that MindSpore's tools give to a merged strategy. It is left out where a directory is merged.
inline constexpr std::string_view kMergedStrategyName = "merged_ckpt_strategy.ckpt";

// `what` names the file in messages. kCorruption for what is no strategy, or a wrong one; kNotSupported for one that is
// too large, or of embedding tables cut by hand (field, param_split_shape), and for nested tensor maps in JSON.
Result<StrategyPtr> ParseProtobufStrategy(std::string_view bytes, std::string_view what);
Result<StrategyPtr> ParseJsonStrategy(std::string_view text, std::string_view what);

// `path` is a strategy file, or a directory of them, which is merged first. kInvalidArgument where it does not exist.
Result<StrategyPtr> LoadStrategy(const std::string& path);

struct MergedStrategy {
  std::string bytes;  // as MindSpore's merge_pipeline_strategys writes them
  bool is_json = false;
  std::size_t files = 0;   // that were found
  std::size_t stages = 0;  // that one of them was taken for
};

// Merges the *.ckpt or *.json files of a directory: of each pipeline stage the first file by name, numbers compared as
// numbers. Files called kMergedStrategyName or `left_out` (a path; empty: none) are passed over. kInvalidArgument where
// there is no directory or no such file, kCorruption where one has no strategy, or there are both kinds.
Result<MergedStrategy> MergeStrategies(const std::string& directory, const std::string& left_out = "");

}  // namespace shardfs
