// Whether a server of vLLM or SGLang with a command line loads a directory of sharded_state right. The engines compare
// names alone: a cut of another size loads without a word wherever its tensors are not larger than the server's, and
// the answers are nonsense.
// Source: spec/sharded-state.md.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "console/finding.h"
#include "layout/sharded_state/check/server_arguments.h"
#include "layout/sharded_state/engine_names.h"
#include "shardfs/base/result.h"
#include "shardfs/parallel/rank_set.h"

namespace shardfs {

struct ServerCheck {
  std::string directory;
  std::string engine;      // "vllm"
  std::string release;     // as it was given; empty for the last that is known
  std::string names_file;  // empty for the built-in table
  ServerArguments arguments;
  std::function<Result<std::optional<RankSet>>(std::uint32_t world_size)> choose_ranks;  // those that must be there
};

// A finding for each row of the flag table that the command line touches, and for the files. kInvalidArgument where the
// directory is none of sharded_state, or the release is not known.
Result<std::vector<Finding>> CheckServer(const ServerCheck& check);

}  // namespace shardfs
