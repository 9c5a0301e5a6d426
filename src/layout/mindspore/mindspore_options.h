// The options that MindSpore's layouts share.
#pragma once

#include <string>
#include <string_view>

#include "layout/mindspore/whole_cut.h"
#include "shardfs/option/option_spec.h"
#include "shardfs/option/option_values.h"

namespace shardfs {

inline constexpr std::string_view kPlacementChoices[] = {"tools", "training"};

inline constexpr OptionSpec kPlacementOption{
    "placement", OptionKind::kChoice,
    "ORDER",     "Ranks of optimizer shards as MindSpore's tools decode them, or as training lays them out",
    "tools",     kPlacementChoices};
inline constexpr OptionSpec kCompleteOption{
    .name = "complete",
    .kind = OptionKind::kSwitch,
    .value = "",
    .summary = "Show what MindSpore's tools would lose or spoil as it is held somewhere in the source",
    .fallback = "no"};
inline constexpr OptionSpec kDestinationStrategyOption{
    .name = "dst_strategy",
    .kind = OptionKind::kFile,
    .value = "FILE|DIR",
    .summary = "Strategy by which ranks are cut; a directory is merged",
    .fallback = "one rank that has all",
    .is_input = true,
    .alias = "dst_strategy_file"};

// "1 rank", "2 ranks"
inline std::string Counted(std::size_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

inline WholeCutOptions CutOptionsOf(const OptionValues& values) {
  return {.complete = values.Switch(kCompleteOption).value_or(false),
          .placement = values.Text(kPlacementOption) == "training" ? Placement::kTraining : Placement::kTools};
}

}  // namespace shardfs
