// The options of a golden case, as a command line has them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layout/golden_case.h"

namespace shardfs::testing {

// The command line of a golden case, behind SOURCE and the like.
inline std::vector<std::string> LayoutArguments(const GoldenCase& golden) {
  const MindieRequest& options = golden.options;
  std::vector<std::string> arguments;
  if (!golden.rank_table.empty()) arguments = {"--rank-table", golden.rank_table};
  const auto add = [&](const char* name, std::int64_t value) {
    if (value == ParallelConfig::kDefault) return;
    arguments.push_back(name);
    arguments.push_back(std::to_string(value));
  };
  add("--world-size", options.parallel.world_size);
  add("--dp", options.parallel.dp);
  add("--tp", options.parallel.tp);
  add("--moe-tp", options.parallel.moe_tp);
  add("--moe-ep", options.parallel.moe_ep);
  add("--sp", options.parallel.sp);
  add("--cp", options.parallel.cp);
  arguments.push_back(options.mtp ? "--mtp" : "--no-mtp");
  arguments.push_back("--max-shard-size");
  arguments.push_back(std::to_string(options.max_shard_bytes));
  for (const auto& [name, value] : options.layout_options) {
    arguments.push_back("-O");
    arguments.push_back(name + "=" + value);
  }
  return arguments;
}

}  // namespace shardfs::testing
