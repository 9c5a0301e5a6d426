// What `-O NAME=VALUE` means to the mindie layout. The defaults are those of MindIE's own conf file
// (spec/mindie-weight-sharder.md, section 1).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layout/mindie/mindie_mapping.h"
#include "shardfs/base/result.h"

namespace shardfs {

enum class MindieFidelity : std::uint8_t {
  kSharder,  // the bytes that weight_sharder writes
  kLoader,   // the bytes that make MindIE's loader end up with what an ordinary load gives
};

struct MindieOptions {
  // Nothing: kSharder where the two load alike, else a refusal that asks for one of them.
  std::optional<MindieFidelity> fidelity;
  std::uint32_t ep_level = 1;  // 1 or 2
  bool enable_gating_dp = true;
  bool enable_shared_expert_dp = false;
  std::uint32_t dense_mlp_local_tp = 1;  // ranks that split the dense MLP, when more than 1
  bool dp_partition_up = false;          // DP_PARTITION_UP_ENABLE: lm_head is split by tp instead of the world

  // The names that Parse knows.
  static std::vector<std::string_view> Names();

  // kInvalidArgument for an unknown name (the known ones are listed) or a value that the name does not take.
  static Result<MindieOptions> Parse(const std::map<std::string, std::string>& options, bool dp_partition_up);

  // All of them by name, as they are written after -O; `chosen` for the fidelity.
  std::vector<std::pair<std::string, std::string>> Describe(MindieFidelity chosen) const;

  // Whether MindIE rotates router rows so that a rank's own experts come first (section 3.3, "Rotation").
  bool RotatesRouter(const MindieMapping& mapping) const;
};

}  // namespace shardfs
