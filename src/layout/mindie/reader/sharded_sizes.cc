#include "layout/mindie/reader/sharded_sizes.h"

#include <fmt/format.h>

#include "layout/mindie/shown_json.h"
#include "shardfs/base/json.h"

namespace shardfs {
namespace {

// Far above any cluster; bounds what a damaged file can make the reader look for.
constexpr std::int64_t kMaxRanks = 65536;

Result<std::uint32_t> SizeOf(const JsonValue& object, std::string_view key) {
  const JsonValue* const value = object.Find(key);
  if (value == nullptr) return Status::Corruption(fmt::format("{} has no \"{}\"", kShardedMetadata, key));
  const auto number = value->AsInt64();
  if (!number || *number < 1 || *number > kMaxRanks) {
    return Status::Corruption(fmt::format("\"{}\" of {} is {}, not a whole number between 1 and {}", key,
                                          kShardedMetadata, ShownJson(*value), kMaxRanks));
  }
  return static_cast<std::uint32_t>(*number);
}

Status CheckSizes(const ShardedSizes& sizes) {
  const auto disagree = [&](std::string_view what) {
    return Status::Corruption(fmt::format("{} says {}, but {}", kShardedMetadata, sizes.Describe(), what));
  };
  if (sizes.world_size % sizes.tp != 0) return disagree("tp does not divide the world size");
  if (sizes.world_size % (std::uint64_t{sizes.dp} * sizes.tp) != 0) {
    return disagree("dp * tp does not divide the world size");
  }
  if (std::uint64_t{sizes.moe_tp} * sizes.moe_ep != sizes.world_size) {
    return disagree("moe_tp * moe_ep is not the world size");
  }
  return Status::Ok();
}

Result<std::optional<MindieFidelity>> MarkOf(const JsonValue& metadata) {
  const JsonValue* const mark = metadata.Find("shardfs_fidelity");
  if (mark == nullptr) return std::optional<MindieFidelity>();
  if (mark->AsString() == "loader") return std::optional(MindieFidelity::kLoader);
  if (mark->AsString() == "sharder") return std::optional(MindieFidelity::kSharder);
  return Status::Corruption(fmt::format("\"shardfs_fidelity\" of {} is {}; it may be \"sharder\" or \"loader\"",
                                        kShardedMetadata, ShownJson(*mark)));
}

}  // namespace

Result<ShardedSizes> ShardedSizes::Parse(const std::string& text) {
  SHARDFS_ASSIGN_OR_RETURN(const JsonValue json, ParseJson(text, kShardedMetadata));
  if (!json.is_object()) return Status::Corruption(fmt::format("{} holds no JSON object", kShardedMetadata));
  const JsonValue* const parallel = json.Find("parallel_option");
  if (parallel == nullptr || !parallel->is_object()) {
    return Status::Corruption(fmt::format("{} has no object \"parallel_option\"", kShardedMetadata));
  }
  ShardedSizes sizes;
  SHARDFS_ASSIGN_OR_RETURN(sizes.world_size, SizeOf(json, "world_size"));
  SHARDFS_ASSIGN_OR_RETURN(sizes.dp, SizeOf(*parallel, "dp"));
  SHARDFS_ASSIGN_OR_RETURN(sizes.tp, SizeOf(*parallel, "tp"));
  SHARDFS_ASSIGN_OR_RETURN(sizes.moe_tp, SizeOf(*parallel, "moe_tp"));
  SHARDFS_ASSIGN_OR_RETURN(sizes.moe_ep, SizeOf(*parallel, "moe_ep"));
  SHARDFS_ASSIGN_OR_RETURN(sizes.fidelity, MarkOf(json));
  SHARDFS_RETURN_IF_ERROR(CheckSizes(sizes));
  return sizes;
}

MindieCoordinates ShardedSizes::At(std::uint32_t rank) const {
  return {.rank = rank, .attention_tp = rank % tp, .moe_tp = rank % moe_tp, .moe_ep = rank / moe_tp};
}

std::string ShardedSizes::Describe() const {
  return fmt::format("{} rank{} (dp {}, tp {}, moe_tp {}, moe_ep {})", world_size, world_size == 1 ? "" : "s", dp, tp,
                     moe_tp, moe_ep);
}

}  // namespace shardfs
