#include "pipeline/build_view.h"

#include <spdlog/spdlog.h>

#include "console/output.h"
#include "layout/mindie/mindie_config.h"
#include "pipeline/config_file.h"
#include "pipeline/directory_kind.h"
#include "shardfs/parallel/rank_table.h"

namespace shardfs {
namespace {

constexpr const char* kDefaultLayout = "mindie";

std::int64_t SizeOf(const std::optional<std::int64_t>& size) { return size.value_or(ParallelConfig::kDefault); }

Status CheckSizes(const LayoutSettings& settings) {
  for (const SizeSetting& size : SizeSettings()) {
    const std::int64_t value = SizeOf(settings.*size.member);
    if (value >= 1 || value == ParallelConfig::kDefault) continue;
    return Status::InvalidArgument(std::string(size.name) + " is " + std::to_string(value) +
                                   ", and must be at least 1, or -1 for the default");
  }
  return Status::Ok();
}

Result<LayoutSettings> CommandLineSettings(const CommonOptions& options) {
  LayoutSettings settings = options.settings;
  for (const std::string& assignment : options.assignments) {
    SHARDFS_RETURN_IF_ERROR(AddAssignment(assignment, settings.layout_options));
  }
  for (const auto& [name, value] : settings.layout_options) {
    if (!value.empty()) continue;
    return Status::InvalidArgument("-O " + name + ": its value is empty; give one, or leave the option out");
  }
  if (!options.max_shard_size.empty()) {
    const Result<std::uint64_t> bytes = ParseByteSize(options.max_shard_size);
    if (!bytes.ok()) return bytes.status().WithContext("--max-shard-size");
    settings.max_shard_bytes = *bytes;
  }
  return settings;
}

std::string KnownLayouts() {
  std::string names;
  for (const std::string_view name : LayoutNames()) {
    if (!names.empty()) names += ", ";
    names += name;
  }
  return names;
}

}  // namespace

Result<ResolvedOptions> Resolve(const CommonOptions& options) {
  SHARDFS_ASSIGN_OR_RETURN(LayoutSettings settings, CommandLineSettings(options));
  SHARDFS_ASSIGN_OR_RETURN(const LayoutSettings environment, EnvironmentSettings());
  settings = Merge(std::move(settings), environment);
  if (!options.config_file.empty()) {
    SHARDFS_ASSIGN_OR_RETURN(const LayoutSettings config, ReadConfigFile(options.config_file));
    settings = Merge(std::move(settings), config);
  }
  SHARDFS_RETURN_IF_ERROR(CheckSizes(settings));

  ResolvedOptions resolved;
  std::optional<std::int64_t> nodes;  // as MindIE's configuration implies them
  if (!options.mindie_config.empty()) {
    const std::string directory = options.directory == nullptr ? "" : *options.directory;
    SHARDFS_ASSIGN_OR_RETURN(MindieSettings mindie,
                             ApplyMindieConfig(options.mindie_config, directory, std::move(settings)));
    settings = std::move(mindie.settings);
    nodes = mindie.nodes;
    resolved.warnings = std::move(mindie.warnings);
  }
  resolved.source = options.source;
  resolved.layout = settings.layout.value_or(kDefaultLayout);
  LayoutOptions& layout = resolved.options;
  layout.parallel.world_size = SizeOf(settings.world_size);
  layout.parallel.dp = SizeOf(settings.dp);
  layout.parallel.tp = SizeOf(settings.tp);
  layout.parallel.moe_tp = SizeOf(settings.moe_tp);
  layout.parallel.moe_ep = SizeOf(settings.moe_ep);
  layout.parallel.sp = SizeOf(settings.sp);
  layout.parallel.cp = SizeOf(settings.cp);
  if (nodes) {
    layout.parallel.nodes = *nodes;
  } else if (settings.rank_table) {
    SHARDFS_ASSIGN_OR_RETURN(layout.parallel.nodes, ReadRankTableServerCount(*settings.rank_table));
  }
  layout.mtp = settings.mtp.value_or(layout.mtp);
  layout.max_shard_bytes = settings.max_shard_bytes.value_or(layout.max_shard_bytes);
  layout.dp_partition_up = settings.dp_partition_up.value_or(layout.dp_partition_up);
  layout.layout_options = std::move(settings.layout_options);
  return resolved;
}

Result<View> BuildView(const CommonOptions& options) {
  SHARDFS_ASSIGN_OR_RETURN(ResolvedOptions resolved, Resolve(options));
  resolved.options.on_notice = [](const std::string& notice) { spdlog::warn("{}", notice); };
  const Layout* layout = FindLayout(resolved.layout);
  if (layout == nullptr) {
    return Status::InvalidArgument("there is no layout '" + resolved.layout + "'; there is " + KnownLayouts());
  }
  for (const std::string& warning : resolved.warnings) PrintWarning(warning);
  View view;
  auto checkpoint = Checkpoint::Open(resolved.source);
  if (!checkpoint.ok()) return ExplainSource(resolved.source, checkpoint.status());
  view.checkpoint = *std::move(checkpoint);
  SHARDFS_ASSIGN_OR_RETURN(view.layout, layout->Build(view.checkpoint, resolved.options));
  view.options = std::move(resolved);
  for (const std::string& warning : view.checkpoint->warnings()) PrintWarning(warning);
  for (const std::string& warning : view.layout.warnings) PrintWarning(warning);
  return view;
}

}  // namespace shardfs
