#include "option/settings.h"

#include <array>
#include <charconv>
#include <utility>

#include "base/environment_variable.h"
#include "shardfs/base/checked_math.h"

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

template <typename Number>
bool ParseWhole(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

template <typename T>
void FillFrom(std::optional<T>& first, const std::optional<T>& second) {
  if (!first) first = second;
}

}  // namespace

std::span<const SizeSetting> SizeSettings() { return kSizes; }

LayoutSettings Merge(LayoutSettings first, const LayoutSettings& second) {
  for (const SizeSetting& size : kSizes) FillFrom(first.*size.member, second.*size.member);
  FillFrom(first.layout, second.layout);
  FillFrom(first.mtp, second.mtp);
  FillFrom(first.rank_table, second.rank_table);
  FillFrom(first.max_shard_bytes, second.max_shard_bytes);
  FillFrom(first.dp_partition_up, second.dp_partition_up);
  first.layout_options.insert(second.layout_options.begin(), second.layout_options.end());
  return first;
}

Result<LayoutSettings> EnvironmentSettings() {
  LayoutSettings settings;
  if (const auto mtp = EnvironmentVariable("DEEPSEEK_MTP")) {
    std::int64_t number = 0;
    if (!ParseWhole(*mtp, number)) {
      return Status::InvalidArgument("the environment's DEEPSEEK_MTP is '" + *mtp +
                                     "', and must be an integer: 0 for no MTP layer, 1 for one");
    }
    settings.mtp = number != 0;
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

Status AddAssignment(std::string_view assignment, std::map<std::string, std::string>& options) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return Status::InvalidArgument("-O wants NAME=VALUE, and got '" + std::string(assignment) + "'");
  }
  const std::string name(assignment.substr(0, equals));
  if (!options.emplace(name, assignment.substr(equals + 1)).second) {
    return Status::InvalidArgument("-O " + name + " is given twice, as '" + options[name] + "' and as '" +
                                   std::string(assignment.substr(equals + 1)) + "'");
  }
  return Status::Ok();
}

Result<std::uint64_t> ParseByteSize(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, std::uint64_t>, 10> kUnits{{
      {"", 1},
      {"B", 1},
      {"KB", 1'000},
      {"MB", 1'000'000},
      {"GB", 1'000'000'000},
      {"TB", 1'000'000'000'000},
      {"KiB", 1ull << 10},
      {"MiB", 1ull << 20},
      {"GiB", 1ull << 30},
      {"TiB", 1ull << 40},
  }};
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view unit = text.substr(digits);
  std::uint64_t number = 0;
  if (ParseWhole(text.substr(0, digits), number) && number > 0) {
    for (const auto& [name, factor] : kUnits) {
      if (unit != name) continue;
      if (const auto bytes = CheckedMul(number, factor)) return *bytes;
    }
  }
  return Status::InvalidArgument("'" + std::string(text) +
                                 "' is no size; write a whole number above 0 and a unit, as in 10GB (KB, MB, GB, TB, "
                                 "KiB, MiB, GiB, TiB, or none for bytes)");
}

}  // namespace shardfs
