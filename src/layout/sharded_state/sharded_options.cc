#include "layout/sharded_state/sharded_options.h"

#include <fmt/format.h>

#include <array>

namespace shardfs {
namespace {

constexpr std::array<std::string_view, 2> kEngines = {kVllm, kSglang};
constexpr std::uint64_t kMostRanks = 16384;

constexpr std::array<OptionSpec, 7> kOptions = {{
    {"tp", OptionKind::kCount, "N", "Tensor-parallel ranks, one set of files for each", ""},
    {"engine", OptionKind::kChoice, "ENGINE", "Whose names the tensors have", "vllm", kEngines},
    {"engine_version", OptionKind::kText, "X.Y", "Release of the engine, which decides the names",
     "the last that is known"},
    {"expert_parallel", OptionKind::kSwitch, "", "Share whole experts out among the ranks instead of cutting each",
     "false"},
    {"shared_experts_fusion", OptionKind::kSwitch, "", "SGLang's DeepSeek: the shared expert is one more routed expert",
     "false"},
    {"max_shard_size", OptionKind::kBytes, "SIZE", "Close a part before it grows past this", "5GiB"},
    {.name = "names",
     .kind = OptionKind::kFile,
     .value = "FILE",
     .summary = "Table of names by engine and release, as `shardfs layouts sharded-state --json` prints it",
     .fallback = "the built-in one",
     .is_input = true},
}};
constexpr const OptionSpec& kTp = kOptions[0];
constexpr const OptionSpec& kEngine = kOptions[1];
constexpr const OptionSpec& kEngineVersion = kOptions[2];
constexpr const OptionSpec& kExpertParallel = kOptions[3];
constexpr const OptionSpec& kFusion = kOptions[4];
constexpr const OptionSpec& kMaxShardSize = kOptions[5];
constexpr const OptionSpec& kNames = kOptions[6];

Status CheckExpertParallel(const ModelShape& shape, std::uint32_t tp, std::string_view engine) {
  if (!shape.HasMoeLayers()) {
    return Status::InvalidArgument(fmt::format(
        "expert_parallel is for models with experts, and this {} has none; leave it out", shape.model_type));
  }
  if (shape.experts < tp) {
    return Status::InvalidArgument(
        fmt::format("{} experts for {} ranks: a rank would hold none; give a smaller --tp", shape.experts, tp));
  }
  if (engine == kSglang && shape.experts % tp != 0) {
    return Status::InvalidArgument(
        fmt::format("{} experts do not divide by tp {}, and SGLang takes equal shares only", shape.experts, tp));
  }
  return Status::Ok();
}

}  // namespace

Status ShardedCut::Check(const ModelShape& shape, std::string_view engine) const {
  const bool is_qwen_moe =
      shape.experts_kind == ModelShape::Experts::kQwen2 || shape.experts_kind == ModelShape::Experts::kQwen3;
  if (engine == kSglang && is_qwen_moe && (!shape.dense_layers.empty() || shape.moe_step != 1)) {
    return Status::NotSupported(
        "SGLang ignores mlp_only_layers and decoder_sparse_step, which this config.json has: it would take every layer "
        "for one with experts");
  }
  if (expert_parallel) SHARDFS_RETURN_IF_ERROR(CheckExpertParallel(shape, tp, engine));
  const bool may_fuse = engine == kSglang && shape.experts_kind == ModelShape::Experts::kDeepseek &&
                        shape.shared_experts == 1 && !expert_parallel;
  if (fuses_shared_experts && !may_fuse) {
    return Status::InvalidArgument(
        "shared_experts_fusion is for SGLang, DeepSeek, one shared expert, without expert_parallel; leave it out");
  }
  return Status::Ok();
}

std::span<const OptionSpec> ShardedOptions::Specs() { return kOptions; }

Result<ShardedOptions> ShardedOptions::Parse(const OptionValues& values) {
  ShardedOptions options;
  const auto tp = values.Count(kTp);
  if (!tp) return Status::InvalidArgument("the sharded-state layout needs the tensor-parallel size; add --tp N");
  if (*tp > kMostRanks) return Status::InvalidArgument(fmt::format("tp is {}, more than {}", *tp, kMostRanks));
  options.cut.tp = static_cast<std::uint32_t>(*tp);
  options.table = EngineNameTable::BuiltIn();
  if (const auto file = values.Text(kNames)) {
    options.names_file = *file;
    SHARDFS_ASSIGN_OR_RETURN(options.table, EngineNameTable::Read(*file));
  }
  const std::string version = values.Text(kEngineVersion).value_or("");
  SHARDFS_ASSIGN_OR_RETURN(options.names,
                           options.table.Find(values.Text(kEngine).value_or(std::string(kVllm)), version));
  options.version_is_assumed = version.empty();
  options.cut.expert_parallel = values.Switch(kExpertParallel).value_or(false);
  options.cut.fuses_shared_experts = values.Switch(kFusion).value_or(false);
  options.max_shard_bytes = values.Bytes(kMaxShardSize).value_or(options.max_shard_bytes);
  return options;
}

OptionPairs ShardedOptions::InForce() const {
  OptionPairs pairs = {{"engine", names.engine},
                       {"engine_version", names.release.ToString()},
                       {"expert_parallel", cut.expert_parallel ? "true" : "false"},
                       {"shared_experts_fusion", cut.fuses_shared_experts ? "true" : "false"},
                       {"max_shard_size", std::to_string(max_shard_bytes)}};
  if (!names_file.empty()) pairs.emplace_back("names", names_file);
  return pairs;
}

}  // namespace shardfs
