// The options of an evaluated case, as the mindie layout takes them.
#pragma once

#include <string>

#include "evaluator/mindie_evaluator.h"
#include "layout/mindie/mindie_layout.h"

namespace shardfs::evaluator {

inline MindieRequest OptionsForLayout(const Options& given) {
  MindieRequest options;
  options.parallel = {given.world, given.dp, given.tp, given.moe_tp, given.moe_ep, given.sp, given.cp, given.nodes};
  options.mtp = given.mtp;
  options.max_shard_bytes = given.max_shard_bytes;
  options.dp_partition_up = given.dp_partition_up;
  options.layout_options = {{"fidelity", given.fidelity == Fidelity::kLoader ? "loader" : "sharder"},
                            {"ep_level", std::to_string(given.ep_level)},
                            {"enable_gating_dp", given.enable_gating_dp ? "true" : "false"},
                            {"enable_shared_expert_dp", given.enable_shared_expert_dp ? "true" : "false"}};
  if (given.dense_mlp_local_tp != -1) {
    options.layout_options["dense_mlp_local_tp"] = std::to_string(given.dense_mlp_local_tp);
  }
  return options;
}

}  // namespace shardfs::evaluator
