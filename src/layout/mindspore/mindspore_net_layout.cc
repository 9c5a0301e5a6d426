#include "layout/mindspore/mindspore_net_layout.h"

#include <fmt/format.h>

#include <array>
#include <numeric>

#include "base/parse_number.h"
#include "base/quote_name.h"
#include "layout/mindspore/mindspore_options.h"
#include "layout/mindspore/name_map.h"
#include "layout/mindspore/net_cut.h"
#include "layout/mindspore/strategy_file.h"

namespace shardfs {
namespace {

constexpr std::array<OptionSpec, 5> kOptions = {{
    kDestinationStrategyOption,
    {"rank_id", OptionKind::kText, "RANK", "Only this rank", "all"},
    {.name = "name_map",
     .kind = OptionKind::kFile,
     .value = "FILE",
     .summary = "JSON of {network name: stored name}",
     .fallback = "equal names",
     .is_input = true},
    kPlacementOption,
    kCompleteOption,
}};
constexpr const OptionSpec& kStrategy = kOptions[0];
constexpr const OptionSpec& kRank = kOptions[1];
constexpr const OptionSpec& kNameMap = kOptions[2];

constexpr std::uint64_t kMostRanks = 65536;

// The ranks that are shown.
Result<std::vector<std::uint32_t>> RanksOf(const Strategy* destination, const std::optional<std::string>& given) {
  const std::uint64_t all = destination == nullptr ? 1 : destination->ranks();
  if (all > kMostRanks) {
    return Status::InvalidArgument(
        fmt::format("the destination's strategy is of {} ranks, more than {}", all, kMostRanks));
  }
  if (!given) {
    if (destination != nullptr) {
      SHARDFS_RETURN_IF_ERROR(destination->CheckStages().WithContext("the destination's strategy"));
    }
    std::vector<std::uint32_t> ranks(all);
    std::iota(ranks.begin(), ranks.end(), std::uint32_t{0});
    return ranks;
  }
  const auto rank = ParseNumber<std::uint32_t>(*given);
  if (!rank)
    return Status::InvalidArgument(fmt::format("rank_id is {}, and must be the number of a rank", QuoteName(*given)));
  if (destination != nullptr ? *rank >= all : *rank >= kMostRanks) {
    return Status::InvalidArgument(fmt::format("rank_id is {}, and the strategy is of {} ranks", *rank,
                                               destination == nullptr ? kMostRanks : all));
  }
  return std::vector<std::uint32_t>{*rank};
}

}  // namespace

std::span<const OptionSpec> MindsporeNetLayout::options() const { return kOptions; }

Result<View> MindsporeNetLayout::Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                                       const ViewContext& /*context*/) const {
  const WholeCutOptions options = CutOptionsOf(values);
  StrategyPtr destination;
  if (const auto path = values.Text(kStrategy)) {
    SHARDFS_ASSIGN_OR_RETURN(destination, LoadStrategy(*path));
  }
  SHARDFS_ASSIGN_OR_RETURN(const std::vector<std::uint32_t> ranks, RanksOf(destination.get(), values.Text(kRank)));
  std::map<std::string, std::string> name_map;
  if (const auto path = values.Text(kNameMap)) {
    SHARDFS_ASSIGN_OR_RETURN(name_map, ReadNameMap(*path, "name_map"));
  }
  SHARDFS_ASSIGN_OR_RETURN(NetCutResult net, MakeNetCut(checkpoint, destination, name_map, options));
  VirtualTreeBuilder tree;
  SHARDFS_RETURN_IF_ERROR(AddRankFiles(
      net.cut, ranks, [](std::uint32_t) { return std::string("net.safetensors"); }, tree));
  View view;
  view.world_size = destination == nullptr ? ranks.front() + 1 : static_cast<std::uint32_t>(destination->ranks());
  view.summary =
      destination == nullptr
          ? std::string("mindspore-net layout: one rank with all tensors")
          : fmt::format("mindspore-net layout for {} of {} ranks: {} of {} each", ranks.size(), destination->ranks(),
                        Counted(destination->stages().size(), "stage"), Counted(destination->devices(), "device"));
  std::string names;
  for (const auto& [name, stored] : name_map) names += fmt::format("{}{}={}", names.empty() ? "" : ",", name, stored);
  view.options = {{"dst_strategy", destination == nullptr ? "none" : destination->facts().digest},
                  {"rank_id", values.Text(kRank).value_or("all")},
                  {"name_map", names.empty() ? "none" : names},
                  {"placement", options.placement == Placement::kTraining ? "training" : "tools"},
                  {"complete", options.complete ? "true" : "false"}};
  view.warnings = std::move(net.warnings);
  view.ignored = std::move(net.ignored);
  view.ignored.insert(view.ignored.end(), checkpoint->ignored().begin(), checkpoint->ignored().end());
  view.tree = std::move(tree).Build();
  return view;
}

}  // namespace shardfs
