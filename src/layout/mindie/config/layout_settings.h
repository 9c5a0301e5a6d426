// The settings of the mindie layout, before MindIE's own configuration completes them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "shardfs/base/result.h"
#include "shardfs/option/option_values.h"

namespace shardfs {

// Empty where the origin is silent.
struct LayoutSettings {
  std::optional<std::int64_t> world_size;  // sizes: -1 asks for the engine's default
  std::optional<std::int64_t> dp;
  std::optional<std::int64_t> tp;
  std::optional<std::int64_t> moe_tp;
  std::optional<std::int64_t> moe_ep;
  std::optional<std::int64_t> sp;
  std::optional<std::int64_t> cp;
  std::optional<bool> mtp;
  std::optional<std::string> rank_table;  // path of the file
  std::optional<std::uint64_t> max_shard_bytes;
  std::optional<bool> dp_partition_up;
  std::map<std::string, std::string> layout_options;
};

// A parallel size: its name, as after "--", and its place.
struct SizeSetting {
  std::string_view name;
  std::optional<std::int64_t> LayoutSettings::*member;
  std::string_view description;
};
std::span<const SizeSetting> SizeSettings();

// What the layout's options say of each (mindie_specs.h).
LayoutSettings SettingsOf(const OptionValues& values);

// DEEPSEEK_MTP, RANK_TABLE_FILE and DP_PARTITION_UP_ENABLE alone; an empty variable is silent.
Result<LayoutSettings> EnvironmentSettings();

}  // namespace shardfs
