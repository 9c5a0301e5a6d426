// What is looked at before any rule is made: the variant, and what weight_sharder has lost or changed beyond recovery.
#include <fmt/format.h>

#include "layout/mindie/reader/merge_rules.h"
#include "layout/mindie/state_dict.h"

namespace shardfs {
namespace {

constexpr std::string_view kEmbedding = "model.embed_tokens.weight";

// The first MoE layer whose tensors weight_sharder puts into folders that ranks share; nothing when there is none.
std::optional<std::uint64_t> OverwrittenLayer(const DeepseekConfig& config, bool has_mtp) {
  const std::uint64_t layers = config.layers + (has_mtp ? 1 : 0);
  for (std::uint64_t layer = 0; layer < layers && layer <= kLastDenseFolderLayer; ++layer) {
    if (config.IsMoe(layer) || layer == config.layers) return layer;
  }
  return std::nullopt;
}

}  // namespace

bool HasMtp(const ShardedDirectory& directory, const DeepseekConfig& config) {
  const auto number = directory.Find(fmt::format("model.layers.{}.eh_proj.weight", config.layers));
  return number && directory.FindAt(0, *number) != nullptr;
}

Result<MindieFidelity> FindVariant(const ShardedDirectory& directory, const DeepseekConfig& config) {
  const auto number = directory.Find(kEmbedding);
  const TensorInfo* const stored = number ? directory.FindAt(0, *number) : nullptr;
  if (stored == nullptr) return Status::Corruption(fmt::format("rank 0 lacks {}", kEmbedding));
  const std::uint64_t rows = stored->shape.empty() ? 0 : stored->shape[0];
  const std::string what = fmt::format("the embedding has {} rows for a vocabulary of {}", rows, config.vocab_size);
  if (rows != config.vocab_size && rows != config.vocab_size + 1) {
    return Status::Corruption(
        fmt::format("{}, so neither weight_sharder nor shardfs wrote it for this config.json", what));
  }
  const MindieFidelity variant = rows == config.vocab_size ? MindieFidelity::kLoader : MindieFidelity::kSharder;
  const auto marked = directory.sizes().fidelity;
  if (!marked || *marked == variant) return variant;
  return Status::Corruption(
      fmt::format("shardfs_fidelity is {}, but {}", *marked == MindieFidelity::kLoader ? "loader" : "sharder", what));
}

Status CheckMergeable(const ShardedDirectory& directory, const DeepseekConfig& config, MindieFidelity variant) {
  const ShardedSizes& sizes = directory.sizes();
  if (config.routed_experts % sizes.moe_ep != 0) {
    return Status::Corruption(
        fmt::format("{} experts over moe_ep {}: the directory lacks experts, which weight_sharder "
                    "left out",
                    config.routed_experts, sizes.moe_ep));
  }
  if (config.hidden_size % sizes.tp != 0) {
    return Status::Corruption(
        fmt::format("hidden_size {} over tp {}: the directory lacks columns of the embedding, "
                    "which weight_sharder left out",
                    config.hidden_size, sizes.tp));
  }
  if (config.heads % sizes.tp != 0) {
    return Status::Corruption(fmt::format("num_attention_heads {} over tp {}: does config.json belong to the folders?",
                                          config.heads, sizes.tp));
  }
  const auto overwritten = OverwrittenLayer(config, HasMtp(directory, config));
  if (variant == MindieFidelity::kSharder && sizes.world_size > sizes.tp && overwritten) {
    return Status::Corruption(
        fmt::format("layer {} has experts in model-dense-tp-*, which ranks overwrote: those of "
                    "other ranks are lost",
                    *overwritten));
  }
  for (std::uint32_t number = 0; number < directory.name_count(); ++number) {
    if (directory.NameOf(number).find(".self_attn.fa3.") == std::string::npos) continue;
    return Status::NotSupported(
        fmt::format("FA3 scales cannot be recovered from the directory ({}): it has their "
                    "rounded inverses, and no offsets",
                    directory.NameOf(number)));
  }
  if (!config.q_lora_rank)
    return Status::NotSupported("\"q_lora_rank\" of config.json is null; merging covers models that have one");
  if (config.router_has_bias) return Status::Ok();
  return Status::NotSupported("\"topk_method\" of config.json is not noaux_tc, the only one that merging covers");
}

}  // namespace shardfs
