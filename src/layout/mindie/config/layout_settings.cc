#include "layout/mindie/config/layout_settings.h"

#include <array>
#include <utility>

#include "base/environment_variable.h"
#include "base/parse_number.h"
#include "layout/mindie/config/mindie_specs.h"

namespace shardfs {
namespace {

constexpr std::array<SizeSetting, 7> kSizes{{
    {"world-size", &LayoutSettings::world_size, "Ranks in all"},
    {"dp", &LayoutSettings::dp, "Data parallel size"},
    {"tp", &LayoutSettings::tp, "Tensor parallel size of attention"},
    {"moe-tp", &LayoutSettings::moe_tp, "Tensor parallel size within an expert"},
    {"moe-ep", &LayoutSettings::moe_ep, "Expert parallel size"},
    {"sp", &LayoutSettings::sp, "Sequence parallel size"},
    {"cp", &LayoutSettings::cp, "Context parallel size"},
}};

}  // namespace

std::span<const SizeSetting> SizeSettings() { return kSizes; }

LayoutSettings SettingsOf(const OptionValues& values) {
  LayoutSettings settings;
  for (std::size_t i = 0; i < kSizes.size(); ++i) {
    const OptionSpec& spec = kMindieSizes[i];
    if (!values.Has(spec)) continue;
    const auto count = values.Count(spec);
    settings.*kSizes[i].member = count ? static_cast<std::int64_t>(*count) : -1;
  }
  settings.mtp = values.Switch(kMindieMtp);
  settings.rank_table = values.Text(kMindieRankTable);
  settings.max_shard_bytes = values.Bytes(kMindieMaxShardSize);
  settings.dp_partition_up = values.Switch(kMindieDpPartitionUp);
  for (const OptionSpec& spec : kMindieOwn) {
    if (const auto text = values.Text(spec)) settings.layout_options.emplace(spec.name, *text);
  }
  return settings;
}

Result<LayoutSettings> EnvironmentSettings() {
  LayoutSettings settings;
  if (const auto mtp = EnvironmentVariable("DEEPSEEK_MTP")) {
    const auto number = ParseNumber<std::int64_t>(*mtp);
    if (!number) {
      return Status::InvalidArgument("the environment's DEEPSEEK_MTP is '" + *mtp +
                                     "', and must be an integer: 0 for no MTP layer, 1 for one");
    }
    settings.mtp = *number != 0;
  }
  if (const auto enable = EnvironmentVariable("DP_PARTITION_UP_ENABLE")) {
    if (*enable != "0" && *enable != "1") {
      return Status::InvalidArgument("the environment's DP_PARTITION_UP_ENABLE is '" + *enable +
                                     "', and must be 0 or 1");
    }
    settings.dp_partition_up = *enable == "1";
  }
  settings.rank_table = EnvironmentVariable("RANK_TABLE_FILE");
  return settings;
}

}  // namespace shardfs
