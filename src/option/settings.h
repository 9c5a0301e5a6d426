// The settings of a layout, as one origin (command line, environment, configuration file) gives them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "shardfs/base/result.h"

namespace shardfs {

// Empty where the origin is silent.
struct LayoutSettings {
  std::optional<std::string> layout;
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

// `first` where it says something, else `second`; options of the layout one by one.
LayoutSettings Merge(LayoutSettings first, const LayoutSettings& second);

// DEEPSEEK_MTP, RANK_TABLE_FILE and DP_PARTITION_UP_ENABLE; an empty variable is silent.
Result<LayoutSettings> EnvironmentSettings();

// "NAME=VALUE" into `options`; a name that is there already is refused.
Status AddAssignment(std::string_view assignment, std::map<std::string, std::string>& options);

// "10GB", "512MiB", "1000": bytes, at least 1. KB, MB, GB, TB are powers of 1000, KiB, MiB, GiB, TiB of 1024.
Result<std::uint64_t> ParseByteSize(std::string_view text);

}  // namespace shardfs
