// ShardedSizes: what model_sharded_metadata.json says of a MindIE directory: for how many ranks it was cut, and how.
// Source: spec/mindie-as-source.md, section 1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "layout/mindie/config/layout_options.h"
#include "layout/mindie/mindie_mapping.h"
#include "shardfs/base/result.h"

namespace shardfs {

inline constexpr std::string_view kShardedMetadata = "model_sharded_metadata.json";

// Immutable. moe_tp * moe_ep == world_size, and tp divides it. cp and sp are not recorded, and nothing here needs them.
struct ShardedSizes {
  std::uint32_t world_size = 1;
  std::uint32_t dp = 1;
  std::uint32_t tp = 1;
  std::uint32_t moe_tp = 1;
  std::uint32_t moe_ep = 1;
  std::optional<MindieFidelity> fidelity;  // "shardfs_fidelity", which weight_sharder itself does not write

  // kCorruption names the key that is missing, or the sizes that do not fit each other.
  static Result<ShardedSizes> Parse(const std::string& json);

  MindieCoordinates At(std::uint32_t rank) const;  // `rank` must be below world_size

  // "4 ranks (dp 2, tp 2, moe_tp 2, moe_ep 2)"
  std::string Describe() const;
};

}  // namespace shardfs
