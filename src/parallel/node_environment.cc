#include "parallel/node_environment.h"

#include <array>
#include <charconv>
#include <optional>

#include "base/environment_variable.h"
#include "parallel/rank_table_node.h"

namespace shardfs {
namespace {

struct Launcher {
  const char* rank;
  std::array<const char*, 2> nodes;  // the first that is set counts
};

constexpr std::array<Launcher, 3> kLaunchers{{
    {"NODE_RANK", {"NNODES", "NNODES"}},
    {"GROUP_RANK", {"GROUP_WORLD_SIZE", "NNODES"}},
    // Within a job step of fewer nodes than the job has, SLURM_NODEID counts those of the step.
    {"SLURM_NODEID", {"SLURM_STEP_NUM_NODES", "SLURM_NNODES"}},
}};

Result<std::uint32_t> ToNumber(const std::string& name, const std::string& text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size()) return number;
  return Status::InvalidArgument("the environment's " + name + " is '" + text +
                                 "', and must be a whole number; give --node-rank and --nnodes yourself");
}

}  // namespace

Result<NodeNumbers> NodeFromEnvironment() {
  for (const Launcher& launcher : kLaunchers) {
    const std::optional<std::string> rank = EnvironmentVariable(launcher.rank);
    if (!rank) continue;
    NodeNumbers numbers;
    numbers.rank_variable = launcher.rank;
    SHARDFS_ASSIGN_OR_RETURN(numbers.rank, ToNumber(launcher.rank, *rank));
    for (const char* name : launcher.nodes) {
      const std::optional<std::string> nodes = EnvironmentVariable(name);
      if (numbers.nodes || !nodes) continue;
      SHARDFS_ASSIGN_OR_RETURN(numbers.nodes, ToNumber(name, *nodes));
      numbers.nodes_variable = name;
    }
    return numbers;
  }
  if (const std::optional<std::string> table = EnvironmentVariable("RANK_TABLE_FILE")) {
    NodeNumbers numbers;
    numbers.rank_variable = "RANK_TABLE_FILE";
    SHARDFS_ASSIGN_OR_RETURN(numbers.rank, ReadRankTableNode(*table));
    return numbers;
  }
  return Status::InvalidArgument(
      "--node-rank auto finds none of NODE_RANK, GROUP_RANK, SLURM_NODEID and RANK_TABLE_FILE in the environment; give "
      "--node-rank a number, or start this with srun or torchrun");
}

}  // namespace shardfs
