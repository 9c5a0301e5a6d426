// What `-O NAME=VALUE` means to the mindie layout. The defaults are those of MindIE's own conf file
// (spec/mindie-weight-sharder.md, section 1).
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "shardfs/base/result.h"
#include "shardfs/parallel/mindie_mapping.h"

namespace shardfs {

struct MindieOptions {
  std::uint32_t ep_level = 1;  // 1 or 2
  bool enable_gating_dp = true;
  bool enable_shared_expert_dp = false;
  bool dp_partition_up = false;  // DP_PARTITION_UP_ENABLE: lm_head is split by tp instead of the world

  // kInvalidArgument for an unknown name (the known ones are listed) or a value that the name does not take.
  // `fidelity` takes "sharder": the bytes that weight_sharder writes.
  static Result<MindieOptions> Parse(const std::map<std::string, std::string>& options, bool dp_partition_up);

  // Whether router rows are rotated so that a rank's own experts come first (section 3.3, "Rotation").
  bool RotatesRouter(const MindieMapping& mapping) const;
};

}  // namespace shardfs
