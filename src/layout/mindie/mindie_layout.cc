#include "layout/mindie/mindie_layout.h"

#include <fmt/format.h>

#include <optional>

#include "layout/mindie/deepseek_config.h"
#include "layout/mindie/deepseek_weights.h"
#include "layout/mindie/fidelity.h"
#include "layout/mindie/json_files.h"
#include "layout/mindie/layout_options.h"
#include "layout/mindie/mindie_tree.h"
#include "layout/mindie/offset_observer.h"
#include "layout/mindie/quant_description.h"
#include "safetensors/quote_name.h"
#include "shardfs/base/json.h"

namespace shardfs {
namespace {

constexpr std::uint64_t kMaxConfigBytes = 100u << 20;

// Raised with each change of a rule that changes a byte of a view (LayoutResult::rules_version).
constexpr std::uint32_t kRulesVersion = 1;

Status CheckDivides(std::string_view part_name, std::uint64_t part, std::string_view whole_name, std::uint64_t whole,
                    std::string_view consequence = "") {
  if (whole % part == 0) return Status::Ok();
  return Status::InvalidArgument(
      fmt::format("{} is {}, which does not divide {} {}{}", part_name, part, whole_name, whole, consequence));
}

// What does not fit together, or would lose data whatever the variant (sections 1 and 7).
Status CheckModelFits(const DeepseekConfig& config, const MindieMapping& mapping, const MindieOptions& options) {
  SHARDFS_RETURN_IF_ERROR(CheckDivides("tp", mapping.tp(), "num_attention_heads", config.heads));
  SHARDFS_RETURN_IF_ERROR(CheckDivides("tp", mapping.tp(), "hidden_size", config.hidden_size,
                                       ": MindIE would drop the embedding's last columns"));
  SHARDFS_RETURN_IF_ERROR(CheckDivides("moe_ep", mapping.moe_ep(), "n_routed_experts", config.routed_experts,
                                       ": MindIE would lose the last experts"));
  return CheckDivides("dense_mlp_local_tp", options.dense_mlp_local_tp, "the world size", mapping.world_size());
}

Result<JsonValue> ReadConfig(const Checkpoint& checkpoint) {
  Result<std::string> text = checkpoint.ReadTextFile("config.json", kMaxConfigBytes);
  if (!text.ok() && text.status().code() == StatusCode::kNotFound) {
    return Status::Corruption(fmt::format("{} has no config.json", checkpoint.path()));
  }
  SHARDFS_RETURN_IF_ERROR(text.status());
  return ParseJson(*text, "config.json");
}

// Whether the model has FA3 tensors (section 3.5).
Result<bool> HasFa3(const JsonValue& config_json, const QuantDescription* description) {
  const JsonValue type = QuantizationSetting(config_json, description, "fa_quant_type");
  if (type.is_null() || type.AsBool() == false || type.AsString() == "") return false;
  if (!type.is_string()) {
    return Status::NotSupported("\"fa_quant_type\" is not a string; the mindie layout covers FAQuant and FAKQuant");
  }
  if (type.text() == "FAQuant" || type.text() == "FAKQuant") return true;
  return Status::NotSupported(
      fmt::format("\"fa_quant_type\" is {}; the mindie layout covers FAQuant and FAKQuant", QuoteName(type.text())));
}

std::string Summary(const DeepseekConfig& config, const MindieMapping& mapping, MindieFidelity fidelity, bool mtp) {
  return fmt::format(
      "mindie layout ({}) of {} ({}{}, {} layers{}, {} experts) for {} ranks: dp {}, tp {}, moe_tp {}, moe_ep {}, sp "
      "{}, cp {}",
      fidelity == MindieFidelity::kSharder ? "as weight_sharder writes it" : "as MindIE's loader reads it right",
      config.model_type, DtypeName(config.dtype), config.quantize.empty() ? "" : ", " + config.quantize, config.layers,
      mtp ? " and MTP" : "", config.routed_experts, mapping.world_size(), mapping.dp(), mapping.tp(), mapping.moe_tp(),
      mapping.moe_ep(), mapping.sp(), mapping.cp());
}

}  // namespace

Result<LayoutResult> MindieLayout::Build(std::shared_ptr<const Checkpoint> checkpoint,
                                         const LayoutOptions& options) const {
  Result<LayoutResult> result = BuildView(checkpoint, options);
  if (!result.ok()) return checkpoint->ExplainRefusal(result.status());
  if (!checkpoint->incomplete().empty()) {
    result->warnings.push_back(fmt::format("{}; the files that are there hold every tensor of this view",
                                           checkpoint->incomplete()));
  }
  return result;
}

Result<LayoutResult> MindieLayout::BuildView(std::shared_ptr<const Checkpoint> checkpoint,
                                             const LayoutOptions& options) const {
  SHARDFS_ASSIGN_OR_RETURN(const MindieOptions mindie,
                           MindieOptions::Parse(options.layout_options, options.dp_partition_up));
  SHARDFS_ASSIGN_OR_RETURN(const MindieMapping mapping, MindieMapping::Create(options.parallel));
  SHARDFS_ASSIGN_OR_RETURN(const JsonValue config_json, ReadConfig(*checkpoint));
  SHARDFS_ASSIGN_OR_RETURN(const DeepseekConfig config, DeepseekConfig::Parse(config_json));
  SHARDFS_RETURN_IF_ERROR(CheckModelFits(config, mapping, mindie));
  std::optional<QuantDescription> description;
  if (!config.quantize.empty()) {
    SHARDFS_ASSIGN_OR_RETURN(description, QuantDescription::Read(*checkpoint, config.quantize));
  }
  const QuantDescription* const described = description ? &*description : nullptr;
  SHARDFS_ASSIGN_OR_RETURN(const bool fa3, HasFa3(config_json, described));
  SHARDFS_ASSIGN_OR_RETURN(const DeepseekWeights weights,
                           DeepseekWeights::Resolve(*checkpoint, config, described, fa3, options.mtp));
  SHARDFS_ASSIGN_OR_RETURN(const MindieFidelity fidelity, ChooseFidelity(config, weights, mapping, mindie));

  LayoutResult result;
  result.world_size = mapping.world_size();
  result.nodes = mapping.nodes();
  result.summary = Summary(config, mapping, fidelity, options.mtp);
  result.sizes = {
      {"world_size", mapping.world_size()}, {"dp", mapping.dp()}, {"tp", mapping.tp()}, {"moe_tp", mapping.moe_tp()},
      {"moe_ep", mapping.moe_ep()},         {"sp", mapping.sp()}, {"cp", mapping.cp()}};
  result.options = mindie.Describe(fidelity);
  result.rules_version = kRulesVersion;
  result.ignored = weights.ignored;
  result.warnings = weights.warnings;
  result.read_files = {"config.json"};
  if (description) result.read_files.push_back(description->file_name());
  const auto observer = std::make_shared<const OffsetObserver>(options.on_notice);
  result.nonzero_offset_reads = observer->reads();
  const MindieModel model{config, described, weights, mapping, mindie, fidelity, observer};
  SHARDFS_ASSIGN_OR_RETURN(result.tree, BuildMindieTree(model, std::move(checkpoint), config_json,
                                                        options.max_shard_bytes, &result.warnings));
  return result;
}

std::vector<std::string_view> MindieLayout::option_names() const { return MindieOptions::Names(); }

}  // namespace shardfs
