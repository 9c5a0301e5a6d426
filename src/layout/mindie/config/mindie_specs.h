// The options of the mindie layout. The defaults are MindIE's own (spec/mindie-weight-sharder.md, section 1).
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "shardfs/option/option_spec.h"

namespace shardfs {

// The parallel sizes, in the order of SizeSettings().
inline constexpr std::array<OptionSpec, 7> kMindieSizes = {{
    {"world_size", OptionKind::kCount, "N", "Ranks in all", "what the other sizes come to"},
    {"dp", OptionKind::kCount, "N", "Data parallel size", "1"},
    {"tp", OptionKind::kCount, "N", "Tensor parallel size of attention", "the world size"},
    {"moe_tp", OptionKind::kCount, "N", "Tensor parallel size within an expert", "tp"},
    {"moe_ep", OptionKind::kCount, "N", "Expert parallel size", "1"},
    {"sp", OptionKind::kCount, "N", "Sequence parallel size", "1"},
    {"cp", OptionKind::kCount, "N", "Context parallel size", "1"},
}};

inline constexpr OptionSpec kMindieMtp{.name = "mtp",
                                       .kind = OptionKind::kSwitch,
                                       .value = "",
                                       .summary = "Show the MTP layer",
                                       .fallback = "whether DEEPSEEK_MTP is not 0",
                                       .environment = "DEEPSEEK_MTP",
                                       .is_yes_unless_0 = true};
inline constexpr OptionSpec kMindieRankTable{.name = "rank_table",
                                             .kind = OptionKind::kFile,
                                             .value = "FILE",
                                             .summary = "Rank table; says how many servers there are",
                                             .fallback = "RANK_TABLE_FILE",
                                             .environment = "RANK_TABLE_FILE"};
inline constexpr OptionSpec kMindieMaxShardSize{
    "max_shard_size", OptionKind::kBytes, "SIZE", "Close a file before it grows past this", "10GB"};
inline constexpr OptionSpec kMindieDpPartitionUp{.name = "dp_partition_up",
                                                 .kind = OptionKind::kSwitch,
                                                 .value = "",
                                                 .summary = "Split lm_head by tp instead of the world size",
                                                 .fallback = "whether DP_PARTITION_UP_ENABLE is 1",
                                                 .environment = "DP_PARTITION_UP_ENABLE"};
inline constexpr OptionSpec kMindieConfigFile{"mindie_config", OptionKind::kFile, "FILE",
                                              "MindIE Server's config.json, to take the parallel sizes from", ""};

inline constexpr std::array<std::string_view, 2> kFidelityChoices = {"sharder", "loader"};
inline constexpr std::array<std::string_view, 2> kEpLevelChoices = {"1", "2"};

// What MindIE keeps in its own conf file.
inline constexpr std::array<OptionSpec, 5> kMindieOwn = {{
    {"fidelity", OptionKind::kChoice, "WHOSE", "The bytes that weight_sharder writes, or those that MindIE's loader reads right",
     "sharder where both load alike", kFidelityChoices},
    {"ep_level", OptionKind::kChoice, "LEVEL", "MindIE's ep_level", "1", kEpLevelChoices},
    {"enable_gating_dp", OptionKind::kSwitch, "", "MindIE's h3p.enable_gating_dp", "yes"},
    {"enable_shared_expert_dp", OptionKind::kSwitch, "", "MindIE's h3p.enable_shared_expert_dp", "no"},
    {"dense_mlp_local_tp", OptionKind::kCount, "N", "Ranks that split the dense MLP", "1"},
}};

// All of them, in the order in which help lists them.
std::span<const OptionSpec> MindieSpecs();

}  // namespace shardfs
