// Which node of how many this is, as the launcher that started the program says: Slurm, torchrun, or a user.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "shardfs/base/result.h"

namespace shardfs {

struct NodeNumbers {
  std::uint32_t rank = 0;
  std::string rank_variable;           // where it comes from
  std::optional<std::uint32_t> nodes;  // nothing where the environment does not say
  std::string nodes_variable;
};

// The first of these that is set: NODE_RANK with NNODES (a user, or torchrun's own options), GROUP_RANK with
// GROUP_WORLD_SIZE or NNODES (a process that torchrun started), SLURM_NODEID with SLURM_STEP_NUM_NODES or SLURM_NNODES
// (srun); with none of them, the server of RANK_TABLE_FILE that this machine is. An empty variable is not set.
// kInvalidArgument when none is, or when a value is no number.
Result<NodeNumbers> NodeFromEnvironment();

}  // namespace shardfs
