// The settings that mindie_config.h's file stands for.
#include <fmt/format.h>

#include "base/quote_name.h"
#include "layout/mindie/config/mindie_config.h"
#include "shardfs/parallel/rank_table.h"

namespace shardfs {
namespace {

constexpr bool Given(std::int64_t size) { return size != ParallelConfig::kDefault; }

// What the other sizes say about the number of ranks.
std::optional<std::int64_t> Product(const ParallelConfig& sizes) {
  const auto or_one = [](std::int64_t size) { return Given(size) ? size : 1; };
  if (Given(sizes.tp)) return sizes.tp * or_one(sizes.dp) * or_one(sizes.cp);
  if (Given(sizes.moe_tp) && Given(sizes.moe_ep)) return sizes.moe_tp * sizes.moe_ep;
  return std::nullopt;
}

Result<std::int64_t> Nodes(const MindieServerConfig& config, const MindieModelConfig& model,
                           std::optional<std::int64_t> servers) {
  const std::int64_t one_node = model.sizes.world_size;
  if (!config.several_nodes) return servers.value_or(1);
  if (servers) return *servers;
  const auto world = Product(model.sizes);
  if (!world) {
    return Status::InvalidArgument(fmt::format(
        "{}: worldSize {} is one node's, because \"multiNodesInferEnabled\" is true, and no tp says how many ranks "
        "there are; give --rank-table",
        config.file, one_node));
  }
  if (*world % one_node != 0) {
    return Status::InvalidArgument(
        fmt::format("{}: the parallel sizes come to {} ranks, which nodes of worldSize {} do not make up", config.file,
                    *world, one_node));
  }
  return *world / one_node;
}

struct Named {
  std::string_view name;  // as SizeSettings() has it
  std::uint32_t size;
};

// "2" and "true" as the layout reads them.
std::string Normal(const std::string& name, const std::string& value) {
  if (!name.starts_with("enable_")) return value;
  return value == "1" ? "true" : value == "0" ? "false" : value;
}

Status TakeSizes(const MindieMapping& mapping, const std::string& file, LayoutSettings& settings) {
  const Named named[] = {
      {"world-size", mapping.world_size()}, {"dp", mapping.dp()}, {"tp", mapping.tp()}, {"moe-tp", mapping.moe_tp()},
      {"moe-ep", mapping.moe_ep()},         {"sp", mapping.sp()}, {"cp", mapping.cp()}};
  for (const Named& size : named) {
    for (const SizeSetting& setting : SizeSettings()) {
      if (setting.name != size.name) continue;
      std::optional<std::int64_t>& place = settings.*setting.member;
      if (place && Given(*place) && *place != static_cast<std::int64_t>(size.size)) {
        return Status::InvalidArgument(fmt::format(
            "{} is {} in the options, and {} for MindIE with {}; leave --{} out to take MindIE's, or set {} in "
            "that file",
            size.name, *place, size.size, file, size.name, *place));
      }
      place = size.size;
    }
  }
  return Status::Ok();
}

Status TakeOptions(const MindieModelConfig& model, const std::string& file, LayoutSettings& settings) {
  for (const auto& [name, value] : model.layout_options) {
    const auto [place, is_new] = settings.layout_options.emplace(name, value);
    if (!is_new && Normal(name, place->second) != value) {
      return Status::InvalidArgument(fmt::format(
          "{} is {} in the options, and {} for MindIE with {}; leave -O {} out to take MindIE's, or set {} in "
          "that file",
          name, place->second, value, file, name, place->second));
    }
  }
  if (!model.mtp) return Status::Ok();
  if (!settings.mtp.value_or(true)) {
    return Status::InvalidArgument(fmt::format(
        "the MTP layer is left out (--no-mtp or DEEPSEEK_MTP=0), and plugin_params of {} speculates with it; leave "
        "that out, or take the speculation with the MTP layer out of plugin_params",
        file));
  }
  settings.mtp = true;
  return Status::Ok();
}

}  // namespace

Result<MindieMapping> MindieSizes(const MindieServerConfig& config, const MindieModelConfig& model,
                                  std::optional<std::int64_t> servers) {
  if (!Given(model.sizes.world_size)) {
    return Status::InvalidArgument(
        fmt::format("{}: \"worldSize\" is missing, and MindIE does not start without it", config.file));
  }
  ParallelConfig sizes = model.sizes;
  SHARDFS_ASSIGN_OR_RETURN(sizes.nodes, Nodes(config, model, servers));
  if (config.several_nodes) sizes.world_size *= sizes.nodes;
  Result<MindieMapping> mapping = MindieMapping::Create(sizes);
  if (mapping.ok()) return mapping;
  std::string message(mapping.status().WithContext(config.file).message());
  const auto product = Product(model.sizes);
  if (!config.several_nodes && product && *product > sizes.world_size && *product % sizes.world_size == 0) {
    message += "; if several nodes serve it, set \"multiNodesInferEnabled\" to true";
  }
  return Status::InvalidArgument(std::move(message));
}

Result<MindieSettings> ApplyMindieConfig(const std::string& file, const std::string& directory, LayoutSettings given) {
  SHARDFS_ASSIGN_OR_RETURN(const MindieServerConfig config, ReadMindieServerConfig(file));
  SHARDFS_ASSIGN_OR_RETURN(const MindieModelConfig* model, config.Choose(directory));
  std::optional<std::int64_t> servers;
  if (given.rank_table) {
    SHARDFS_ASSIGN_OR_RETURN(servers, ReadRankTableServerCount(*given.rank_table));
  }
  SHARDFS_ASSIGN_OR_RETURN(const MindieMapping mapping, MindieSizes(config, *model, servers));
  MindieSettings result{std::move(given), mapping.nodes(), {}};
  SHARDFS_RETURN_IF_ERROR(TakeSizes(mapping, file, result.settings));
  SHARDFS_RETURN_IF_ERROR(TakeOptions(*model, file, result.settings));
  if (model->backend != kMindieBackend) {
    result.warnings.push_back(
        fmt::format("backendType in {} is {}, and only MindIE's backend {} reads sharded directories", file,
                    QuoteName(model->backend), kMindieBackend));
  }
  if (!directory.empty() && !IsSamePlace(model->weight_path, directory)) {
    result.warnings.push_back(fmt::format("modelWeightPath in {} is {}, not {}: MindIE will not load what is here",
                                          file, QuoteName(model->weight_path), QuoteName(directory)));
  }
  return result;
}

}  // namespace shardfs
