#include "layout/mindie/mindie_layout.h"

#include <fmt/format.h>

#include <optional>

#include "base/quote_name.h"
#include "layout/mindie/agreeing_values.h"
#include "layout/mindie/check/place_warnings.h"
#include "layout/mindie/config/deepseek_config.h"
#include "layout/mindie/config/described_kinds.h"
#include "layout/mindie/config/effective_config.h"
#include "layout/mindie/config/layout_options.h"
#include "layout/mindie/config/layout_settings.h"
#include "layout/mindie/config/mindie_config.h"
#include "layout/mindie/config/mindie_specs.h"
#include "layout/mindie/config/quant_description.h"
#include "layout/mindie/config/server_limits.h"
#include "layout/mindie/deepseek_weights.h"
#include "layout/mindie/fidelity.h"
#include "layout/mindie/mindie_tree.h"
#include "layout/mindie/offset_check.h"
#include "layout/mindie/rank_parts.h"
#include "layout/mindie/offset_observer.h"
#include "layout/mindie/reader/mindie_reader.h"
#include "layout/mindie/reshard.h"
#include "shardfs/base/json.h"
#include "shardfs/parallel/rank_table.h"

namespace shardfs {
namespace {

// Raised with each change of a rule that changes a byte of a view (View::rules_version).
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

// What weight_sharder itself ends at, beside what DeepseekConfig::Parse refuses.
Status CheckSharderTakes(const EffectiveConfig& effective) {
  for (const RefusedSetting& setting : FindRefusedSettings(effective)) {
    if (!setting.decides_shapes) continue;
    return Status::NotSupported(fmt::format("\"{}\" {}", setting.key, setting.problem));
  }
  const JsonValue* cast = effective.Find("is_nzcasted").value;
  if (cast == nullptr && effective.description() != nullptr) cast = effective.description()->Find("is_nzcasted");
  if (cast == nullptr || cast->is_null() || cast->AsBool() == false) return Status::Ok();
  return Status::NotSupported(
      "\"is_nzcasted\" is set: the weights are stored in the NPU's own format, which only an NPU can undo; quantise "
      "again without it");
}

// Whether the model has FA3 tensors (section 3.5).
Result<bool> HasFa3(const EffectiveConfig& effective) {
  const JsonValue type = effective.Quantization("fa_quant_type");
  if (type.is_null() || type.AsBool() == false || type.AsString() == "") return false;
  if (!type.is_string()) {
    return Status::NotSupported("\"fa_quant_type\" is not a string; the mindie layout covers FAQuant and FAKQuant");
  }
  if (type.text() == "FAQuant" || type.text() == "FAKQuant") return true;
  return Status::NotSupported(
      fmt::format("\"fa_quant_type\" is {}; the mindie layout covers FAQuant and FAKQuant", QuoteName(type.text())));
}

// The description of the weights, or null for a float model; checked as a whole.
Result<const QuantDescription*> DescribeWeights(const Checkpoint& checkpoint, const EffectiveConfig& effective,
                                                const DeepseekConfig& config, bool mtp) {
  if (config.quantize.empty()) return nullptr;
  SHARDFS_RETURN_IF_ERROR(effective.RequireDescription());
  const QuantDescription* description = effective.description();
  if (!description->HasWeights()) {
    return Status::Corruption(fmt::format(
        "{} says of no weight what it is, but {} is \"{}\"; copy the description from where the weights are from",
        description->file_name(), effective.QuantizeOrigin(), config.quantize));
  }
  SHARDFS_RETURN_IF_ERROR(CheckDescribedKinds(checkpoint, config, *description, mtp));
  return description;
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

// What BuildMindieView gives, before a refusal is explained.
Result<View> BuildUnexplained(const CheckpointPtr& checkpoint, const MindieRequest& options) {
  SHARDFS_ASSIGN_OR_RETURN(const MindieOptions mindie,
                           MindieOptions::Parse(options.layout_options, options.dp_partition_up));
  SHARDFS_ASSIGN_OR_RETURN(const MindieMapping mapping, MindieMapping::Create(options.parallel));
  SHARDFS_ASSIGN_OR_RETURN(const EffectiveConfig effective, EffectiveConfig::Read(*checkpoint));
  SHARDFS_ASSIGN_OR_RETURN(const DeepseekConfig config,
                           DeepseekConfig::Parse(effective.json(), effective.QuantizeOrigin()));
  SHARDFS_RETURN_IF_ERROR(CheckSharderTakes(effective));
  SHARDFS_RETURN_IF_ERROR(CheckModelFits(config, mapping, mindie));
  SHARDFS_ASSIGN_OR_RETURN(const QuantDescription* described,
                           DescribeWeights(*checkpoint, effective, config, options.mtp));
  SHARDFS_ASSIGN_OR_RETURN(const bool fa3, HasFa3(effective));
  SHARDFS_ASSIGN_OR_RETURN(const DeepseekWeights weights,
                           DeepseekWeights::Resolve(*checkpoint, config, described, fa3, options.mtp));
  SHARDFS_ASSIGN_OR_RETURN(const MindieFidelity fidelity, ChooseFidelity(effective, config, weights, mapping, mindie));
  SHARDFS_RETURN_IF_ERROR(CheckAgreeingValues(weights, config.dtype));

  View result;
  result.world_size = mapping.world_size();
  result.nodes = mapping.nodes();
  result.summary = Summary(config, mapping, fidelity, options.mtp);
  if (const std::string shards = ShardsOf(*checkpoint); !shards.empty()) {
    result.summary = fmt::format("re-sharded from {}, to: {}", shards, result.summary);
  }
  result.sizes = {
      {"world_size", mapping.world_size()}, {"dp", mapping.dp()}, {"tp", mapping.tp()}, {"moe_tp", mapping.moe_tp()},
      {"moe_ep", mapping.moe_ep()},         {"sp", mapping.sp()}, {"cp", mapping.cp()}};
  result.options = {{"mtp", options.mtp ? "true" : "false"},
                    {"max_shard_size", std::to_string(options.max_shard_bytes)},
                    {"dp_partition_up", options.dp_partition_up ? "true" : "false"}};
  for (auto& option : mindie.Describe(fidelity)) result.options.push_back(std::move(option));
  result.rules_version = kRulesVersion;
  result.ignored = weights.ignored;
  result.ignored.insert(result.ignored.end(), checkpoint->ignored().begin(), checkpoint->ignored().end());
  result.read_files = {"config.json"};
  if (effective.description() != nullptr) result.read_files.push_back(effective.description()->file_name());
  result.warnings = weights.warnings;
  if (fidelity == MindieFidelity::kSharder) {
    if (std::string lost = WhyDescriptionIsLost(effective); !lost.empty()) {
      result.warnings.push_back(lost + "; -O fidelity=loader shows what loads right");
    }
  }
  for (std::string& warning : ReshardWarnings(weights, mapping, fidelity)) {
    result.warnings.push_back(std::move(warning));
  }
  for (std::string& refusal : RefusalWarnings(effective)) result.warnings.push_back(std::move(refusal));
  const auto observer = std::make_shared<const OffsetObserver>(options.on_notice);
  result.notices.push_back({"reads met a weight_offset that is not zero", observer->reads()});
  const MindieModel model{config, described, weights, mapping, mindie, fidelity, observer};
  SHARDFS_ASSIGN_OR_RETURN(
      result.tree, BuildMindieTree(model, checkpoint, effective, options.max_shard_bytes, &result.warnings));
  result.checks.push_back(MakeOffsetCheck(result.tree));
  DescribeRanks(config, mapping, &result);
  return result;
}

// All origins together, and what MindIE's own configuration adds to them.
Result<MindieRequest> RequestOf(const Checkpoint& checkpoint, const OptionValues& values, const ViewContext& context,
                                std::vector<std::string>* warnings) {
  LayoutSettings settings = SettingsOf(values);
  MindieRequest request;
  request.mtp = IsReshardedWithMtp(checkpoint);
  if (const auto file = values.Text(kMindieConfigFile)) {
    SHARDFS_ASSIGN_OR_RETURN(MindieSettings mindie, ApplyMindieConfig(*file, context.place.path, std::move(settings)));
    settings = std::move(mindie.settings);
    request.parallel.nodes = mindie.nodes;
    *warnings = std::move(mindie.warnings);
  } else if (settings.rank_table) {
    SHARDFS_ASSIGN_OR_RETURN(request.parallel.nodes, ReadRankTableServerCount(*settings.rank_table));
  }
  const auto size = [](const std::optional<std::int64_t>& given) { return given.value_or(ParallelConfig::kDefault); };
  request.parallel.world_size = size(settings.world_size);
  request.parallel.dp = size(settings.dp);
  request.parallel.tp = size(settings.tp);
  request.parallel.moe_tp = size(settings.moe_tp);
  request.parallel.moe_ep = size(settings.moe_ep);
  request.parallel.sp = size(settings.sp);
  request.parallel.cp = size(settings.cp);
  request.mtp = settings.mtp.value_or(request.mtp);
  request.max_shard_bytes = settings.max_shard_bytes.value_or(request.max_shard_bytes);
  request.dp_partition_up = settings.dp_partition_up.value_or(request.dp_partition_up);
  request.layout_options = std::move(settings.layout_options);
  request.on_notice = context.on_notice;
  return request;
}

}  // namespace

Result<View> BuildMindieView(const CheckpointPtr& checkpoint, const MindieRequest& request) {
  Result<View> view = BuildUnexplained(checkpoint, request);
  if (!view.ok()) return checkpoint->ExplainRefusal(view.status());
  if (!checkpoint->incomplete().empty()) {
    view->warnings.push_back(
        fmt::format("{}; the files that are there hold every tensor of this view", checkpoint->incomplete()));
  }
  return view;
}

std::span<const OptionSpec> MindieLayout::options() const { return MindieSpecs(); }

Result<View> MindieLayout::Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                                 const ViewContext& context) const {
  std::vector<std::string> warnings;
  SHARDFS_ASSIGN_OR_RETURN(const MindieRequest request, RequestOf(*checkpoint, values, context, &warnings));
  SHARDFS_ASSIGN_OR_RETURN(View view, BuildMindieView(checkpoint, request));
  view.warnings.insert(view.warnings.begin(), warnings.begin(), warnings.end());
  return view;
}

bool MindieLayout::IsDefaultFor(const Checkpoint& checkpoint) const {
  const auto config = checkpoint.config();
  if (!config.ok()) return true;
  const JsonValue* const type = (*config)->Find("model_type");
  return type != nullptr && type->is_string() && type->text().find("deepseek") != std::string::npos;
}

std::vector<std::string> MindieLayout::WarningsOfPlace(const ViewPlace& place) const {
  std::vector<std::string> warnings;
  for (const Text& warning : MindieWarnings(place.path, place.file_mode, place.directory_mode)) {
    warnings.push_back(warning.english());
  }
  return warnings;
}

}  // namespace shardfs
