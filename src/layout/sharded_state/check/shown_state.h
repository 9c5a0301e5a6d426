// What a directory of sharded_state holds, by the headers of its files, and which engine, release and cut it was made
// for.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "console/text.h"
#include "layout/sharded_state/engine_names.h"
#include "layout/sharded_state/model_shape.h"
#include "layout/sharded_state/output_tensor.h"
#include "layout/sharded_state/sharded_options.h"
#include "shardfs/base/result.h"
#include "shardfs/format/safetensors/header.h"

namespace shardfs {

// The tensors of one rank by name.
using RankTensors = std::map<std::string, NewTensor, std::less<>>;

struct ShownState {
  std::map<std::uint32_t, RankTensors> ranks;

  // Reads model-rank-R-part-P.safetensors. kInvalidArgument where `directory` has none; kCorruption for a file that is
  // damaged, a part that is missing, or a tensor that stands in two parts.
  static Result<ShownState> Read(const std::string& directory);
};

// Why the tensors of a rank are not those that the rules ask for: "rank 0 has no model.norm.weight"; empty where they
// are.
Text Difference(const RankTensors& shown, const std::vector<OutputTensor>& rules, std::uint32_t tp, std::uint32_t rank);

// An engine, the releases that have the same names, and the cut.
struct MadeFor {
  std::string engine;
  std::vector<ReleaseNumber> releases;  // the first of each run of releases that fits
  ShardedCut cut;
};

// All that fits the tensors of rank `rank`, one an engine and cut. `tp` is the only size that is tried.
std::vector<MadeFor> FindMadeFor(const RankTensors& shown, const ModelShape& shape, const EngineNameTable& table,
                                 std::uint32_t tp, std::uint32_t rank);

}  // namespace shardfs
