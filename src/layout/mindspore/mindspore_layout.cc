#include "layout/mindspore/mindspore_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "base/quote_name.h"
#include "layout/mindspore/mindspore_options.h"
#include "layout/mindspore/mindspore_source.h"
#include "layout/mindspore/rank_cut.h"
#include "layout/mindspore/slice_cut.h"
#include "layout/mindspore/strategy_file.h"
#include "layout/mindspore/whole_cut.h"

namespace shardfs {
namespace {

constexpr std::array<std::string_view, 1> kFormats = {"safetensors"};

constexpr std::array<OptionSpec, 5> kOptions = {{
    kDestinationStrategyOption,
    {"prefix", OptionKind::kText, "PREFIX", "What file names begin with, before the rank", "checkpoint_"},
    {"output_format", OptionKind::kChoice, "FORMAT", "Format of the files", "safetensors", kFormats},
    kPlacementOption,
    kCompleteOption,
}};
constexpr const OptionSpec& kStrategy = kOptions[0];
constexpr const OptionSpec& kPrefix = kOptions[1];
constexpr const OptionSpec& kFormat = kOptions[2];

constexpr std::uint64_t kMostRanks = 65536;

class ViewBuilder {
 public:
  ViewBuilder(const CheckpointPtr& checkpoint, const OptionValues& values)
      : checkpoint_(checkpoint), values_(values), options_(CutOptionsOf(values)) {}

  Result<View> Build() {
    prefix_ = values_.Text(kPrefix).value_or("checkpoint_");
    if (prefix_.find('/') != prefix_.npos) {
      return Status::InvalidArgument(fmt::format("prefix is {}, and must hold no '/'", QuoteName(prefix_)));
    }
    if (const auto path = values_.Text(kStrategy)) {
      SHARDFS_ASSIGN_OR_RETURN(destination_, LoadStrategy(*path));
      if (destination_->ranks() > kMostRanks) {
        return Status::InvalidArgument(
            fmt::format("the destination's strategy is of {} ranks, more than {}", destination_->ranks(), kMostRanks));
      }
      SHARDFS_RETURN_IF_ERROR(destination_->CheckStages().WithContext("the destination's strategy"));
    }
    SHARDFS_ASSIGN_OR_RETURN(const RankCutPtr cut, MakeCut());
    WarnOfPlacement();
    const std::uint32_t ranks = destination_ == nullptr ? 1 : static_cast<std::uint32_t>(destination_->ranks());
    std::vector<std::uint32_t> all(ranks);
    std::iota(all.begin(), all.end(), std::uint32_t{0});
    VirtualTreeBuilder tree;
    SHARDFS_RETURN_IF_ERROR(AddRankFiles(
        cut, all, [this](std::uint32_t rank) { return fmt::format("{}{}.safetensors", prefix_, rank); }, tree));
    Finish(ranks);
    view_.tree = std::move(tree).Build();
    if (view_.tree->file_count() == 0) return Status::InvalidArgument("no rank of the destination would hold a tensor");
    return std::move(view_);
  }

 private:
  Result<RankCutPtr> MakeCut() {
    const auto source = std::dynamic_pointer_cast<const MindsporeSource>(checkpoint_->parts());
    const bool has_slices =
        source != nullptr && source->kind() == MindsporeSource::Kind::kRanks && source->strategy() != nullptr;
    if (!has_slices) return MakeWholeCut(checkpoint_, destination_, options_);
    view_.options.emplace_back("src_strategy", source->strategy()->facts().digest);
    SliceCutAccount account;
    SHARDFS_ASSIGN_OR_RETURN(RankCutPtr cut, MakeSliceCut(source, destination_, options_, &account));
    view_.warnings = std::move(account.warnings);
    if (!account.raw.empty()) {
      constexpr std::size_t kShown = 20;
      view_.warnings.push_back(
          fmt::format("{} of the source's strategy, {} first, {} not in the destination's: slices are handed on as the "
                      "source has them",
                      account.raw.size() == 1 ? "1 parameter" : fmt::format("{} parameters", account.raw.size()),
                      QuoteName(account.raw.front()), account.raw.size() == 1 ? "is" : "are"));
      const std::size_t shown = std::min(account.raw.size(), kShown);
      view_.account.push_back(
          fmt::format("handed on as slices of the source, as the destination's strategy has no such parameter: {}{}",
                      fmt::join(account.raw.begin(), account.raw.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                      account.raw.size() > shown ? fmt::format(" and {} more", account.raw.size() - shown) : ""));
    }
    return cut;
  }

  void WarnOfPlacement() {
    if (destination_ == nullptr || options_.placement == Placement::kTraining) return;
    const auto differs = std::find_if(
        destination_->parameters().begin(), destination_->parameters().end(), [&](const StrategyParameter& parameter) {
          const auto grid = SliceGrid::Create(destination_->LayoutOf(parameter.entries.front()), Placement::kTools);
          return grid.ok() && grid->placements_differ();
        });
    if (differs == destination_->parameters().end()) return;
    view_.warnings.push_back(
        fmt::format("slices of {} in the destination are placed as MindSpore's tools do, on other ranks than training "
                    "does; --placement training places them as training",
                    QuoteName(differs->name)));
  }

  void Finish(std::uint32_t ranks) {
    const std::string_view place = options_.placement == Placement::kTraining ? "training" : "tools";
    view_.world_size = ranks;
    view_.summary =
        destination_ == nullptr
            ? std::string("mindspore layout: one rank with all tensors")
            : fmt::format("mindspore layout for {}: {} of {} each, {}", Counted(ranks, "rank"),
                          Counted(destination_->stages().size(), "stage"), Counted(destination_->devices(), "device"),
                          Counted(destination_->parameters().size(), "parameter"));
    const OptionPairs own = {{"dst_strategy", destination_ == nullptr ? "none" : destination_->facts().digest},
                             {"prefix", prefix_},
                             {"output_format", values_.Text(kFormat).value_or("safetensors")},
                             {"placement", std::string(place)},
                             {"complete", options_.complete ? "true" : "false"}};
    view_.options.insert(view_.options.end(), own.begin(), own.end());
    view_.ignored.insert(view_.ignored.end(), checkpoint_->ignored().begin(), checkpoint_->ignored().end());
  }

  const CheckpointPtr& checkpoint_;
  const OptionValues& values_;
  const WholeCutOptions options_;
  std::string prefix_;
  StrategyPtr destination_;
  View view_;
};

}  // namespace

std::span<const OptionSpec> MindsporeLayout::options() const { return kOptions; }

Result<View> MindsporeLayout::Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                                    const ViewContext& /*context*/) const {
  return ViewBuilder(checkpoint, values).Build();
}

}  // namespace shardfs
