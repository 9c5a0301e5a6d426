#include "layout/mindie/mindie_mapping.h"

#include <fmt/format.h>

#include <optional>

namespace shardfs {
namespace {

// More ranks than any cluster serves one model with. A plan takes 15 KiB for each, and products of three sizes stay
// within 64 bits.
constexpr std::int64_t kMaxSize = 1 << 14;

constexpr bool Given(std::int64_t size) { return size != ParallelConfig::kDefault; }

Status CheckRange(std::string_view name, std::int64_t size) {
  if (!Given(size) || (size >= 1 && size <= kMaxSize)) return Status::Ok();
  return Status::InvalidArgument(
      fmt::format("{} is {}; it must be between 1 and {}, or -1 for the default", name, size, kMaxSize));
}

std::optional<std::int64_t> WorldSizeOf(const ParallelConfig& config) {
  if (Given(config.world_size)) return config.world_size;
  if (Given(config.tp)) {
    return config.tp * (Given(config.dp) ? config.dp : 1) * (Given(config.cp) ? config.cp : 1);
  }
  if (Given(config.moe_tp) && Given(config.moe_ep)) return config.moe_tp * config.moe_ep;
  return std::nullopt;
}

}  // namespace

Result<MindieMapping> MindieMapping::Create(const ParallelConfig& config) {
  SHARDFS_RETURN_IF_ERROR(CheckRange("world_size", config.world_size));
  SHARDFS_RETURN_IF_ERROR(CheckRange("dp", config.dp));
  SHARDFS_RETURN_IF_ERROR(CheckRange("tp", config.tp));
  SHARDFS_RETURN_IF_ERROR(CheckRange("moe_tp", config.moe_tp));
  SHARDFS_RETURN_IF_ERROR(CheckRange("moe_ep", config.moe_ep));
  SHARDFS_RETURN_IF_ERROR(CheckRange("sp", config.sp));
  SHARDFS_RETURN_IF_ERROR(CheckRange("cp", config.cp));
  const auto known_world = WorldSizeOf(config);
  if (!known_world) {
    return Status::InvalidArgument(
        "the world size is not given and does not follow from the parallel sizes; give --world-size, or --tp and --dp");
  }
  const std::int64_t world = *known_world;
  if (world > kMaxSize) {
    return Status::InvalidArgument(fmt::format("the world size is {}; at most {} ranks are possible", world, kMaxSize));
  }

  // Defaults: spec section 1, "Effective sizes". mlp_tp, which splits lm_head and shared experts, is always the world.
  const std::int64_t dp = Given(config.dp) ? config.dp : 1;
  const std::int64_t tp = Given(config.tp) ? config.tp : world;
  const std::int64_t moe_tp = Given(config.moe_tp) ? config.moe_tp : tp;
  const std::int64_t moe_ep = Given(config.moe_ep) ? config.moe_ep : 1;
  const std::int64_t sp = Given(config.sp) ? config.sp : 1;
  const std::int64_t cp = Given(config.cp) ? config.cp : 1;
  const std::int64_t nodes = config.nodes;

  // Rejections, in MindIE's order.
  if (nodes < 1 || world % nodes != 0) {
    return Status::InvalidArgument(
        fmt::format("the world size {} is not a multiple of the {} nodes of the rank table", world, nodes));
  }
  const std::int64_t local_world = world / nodes;
  if (cp != 1 && dp != 1) {
    return Status::InvalidArgument(fmt::format("cp is {} and dp is {}; one of them must be 1", cp, dp));
  }
  if (tp * cp * dp != world) {
    return Status::InvalidArgument(
        fmt::format("tp {} * dp {} * cp {} = {}, but the world size is {}", tp, dp, cp, tp * cp * dp, world));
  }
  if (tp > local_world && tp != world) {
    return Status::InvalidArgument(
        fmt::format("tp is {}, but a node has {} ranks; a tensor parallel group must fit into a node or span the world",
                    tp, local_world));
  }
  if (moe_ep > 1 && moe_ep * moe_tp != world) {
    return Status::InvalidArgument(
        fmt::format("moe_tp {} * moe_ep {} = {}, but the world size is {}", moe_tp, moe_ep, moe_tp * moe_ep, world));
  }
  if (moe_ep > 1 && moe_tp > local_world && moe_tp != world) {
    return Status::InvalidArgument(fmt::format(
        "moe_tp is {}, but a node has {} ranks; it must fit into a node or span the world", moe_tp, local_world));
  }
  if (moe_ep == 1 && moe_tp != world) {
    return Status::InvalidArgument(fmt::format(
        "moe_tp is {} and moe_ep is 1, but their product must be the world size {}; give --moe-tp and --moe-ep", moe_tp,
        world));
  }
  if (sp > 1 && sp != tp) {
    return Status::InvalidArgument(fmt::format("sp is {}; it must be 1 or equal to tp, which is {}", sp, tp));
  }

  MindieMapping mapping;
  mapping.world_size_ = static_cast<std::uint32_t>(world);
  mapping.nodes_ = static_cast<std::uint32_t>(nodes);
  mapping.dp_ = static_cast<std::uint32_t>(dp);
  mapping.tp_ = static_cast<std::uint32_t>(tp);
  mapping.moe_tp_ = static_cast<std::uint32_t>(moe_tp);
  mapping.moe_ep_ = static_cast<std::uint32_t>(moe_ep);
  mapping.sp_ = static_cast<std::uint32_t>(sp);
  mapping.cp_ = static_cast<std::uint32_t>(cp);
  return mapping;
}

MindieCoordinates MindieMapping::At(std::uint32_t rank) const {
  return {.rank = rank, .attention_tp = rank % tp_, .moe_tp = rank % moe_tp_, .moe_ep = rank / (world_size_ / moe_ep_)};
}

}  // namespace shardfs
