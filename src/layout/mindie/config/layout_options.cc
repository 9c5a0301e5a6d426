#include "layout/mindie/config/layout_options.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include "base/nearest_name.h"
#include "shardfs/option/option_values.h"

namespace shardfs {
namespace {

// A number of ranks; -1, as MindIE writes its default, is 1.
std::optional<std::uint32_t> ParseSize(std::string_view value) {
  if (value == "-1") return 1;
  std::uint32_t size = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), size);
  if (error != std::errc() || end != value.data() + value.size() || size == 0) return std::nullopt;
  return size;
}

Status WrongValue(std::string_view name, std::string_view value, std::string_view accepted) {
  return Status::InvalidArgument(fmt::format("-O {}={}: {} takes {}", name, value, name, accepted));
}

}  // namespace

std::vector<std::string_view> MindieOptions::Names() {
  return {"fidelity", "ep_level", "enable_gating_dp", "enable_shared_expert_dp", "dense_mlp_local_tp"};
}

Result<MindieOptions> MindieOptions::Parse(const std::map<std::string, std::string>& options, bool dp_partition_up) {
  MindieOptions parsed;
  parsed.dp_partition_up = dp_partition_up;
  for (const auto& [name, value] : options) {
    if (name == "fidelity") {
      if (value != "sharder" && value != "loader") return WrongValue(name, value, "sharder or loader");
      parsed.fidelity = value == "sharder" ? MindieFidelity::kSharder : MindieFidelity::kLoader;
    } else if (name == "ep_level") {
      if (value != "1" && value != "2") return WrongValue(name, value, "1 or 2");
      parsed.ep_level = value == "1" ? 1 : 2;
    } else if (name == "dense_mlp_local_tp") {
      const auto size = ParseSize(value);
      if (!size) return WrongValue(name, value, "a number of ranks, or -1 for MindIE's default");
      parsed.dense_mlp_local_tp = *size;
    } else if (name == "enable_gating_dp" || name == "enable_shared_expert_dp") {
      const auto on = ParseSwitch(value);
      if (!on) return WrongValue(name, value, "true or false");
      (name == "enable_gating_dp" ? parsed.enable_gating_dp : parsed.enable_shared_expert_dp) = *on;
    } else {
      const std::vector<std::string_view> names = Names();
      return Status::InvalidArgument(
          fmt::format("-O {}={}: the mindie layout has no option \"{}\"; it has fidelity, ep_level, enable_gating_dp, "
                      "enable_shared_expert_dp and dense_mlp_local_tp{}",
                      name, value, name, DidYouMean(name, std::vector<std::string>(names.begin(), names.end()))));
    }
  }
  return parsed;
}

std::vector<std::pair<std::string, std::string>> MindieOptions::Describe(MindieFidelity chosen) const {
  const auto on_off = [](bool on) { return std::string(on ? "true" : "false"); };
  return {{"fidelity", chosen == MindieFidelity::kSharder ? "sharder" : "loader"},
          {"ep_level", std::to_string(ep_level)},
          {"enable_gating_dp", on_off(enable_gating_dp)},
          {"enable_shared_expert_dp", on_off(enable_shared_expert_dp)},
          {"dense_mlp_local_tp", std::to_string(dense_mlp_local_tp)}};
}

bool MindieOptions::RotatesRouter(const MindieMapping& mapping) const {
  const bool data_parallel = mapping.dp() > 1 || mapping.cp() > 1;
  return mapping.moe_ep() > 1 && ep_level == 1 && !(enable_gating_dp && data_parallel);
}

}  // namespace shardfs
