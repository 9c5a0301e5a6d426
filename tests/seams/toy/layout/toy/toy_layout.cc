// The tensors are put in the order asked for; number i of it goes to rank i modulo the number of ranks, into the
// directory of that rank. LISTING.txt has a line for each file.
#include "layout/toy/toy_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

namespace shardfs {
namespace {

constexpr std::array<std::string_view, 2> kOrders = {"forward", "reverse"};

constexpr std::array<OptionSpec, 3> kOptions = {{
    {.name = "toy_order",
     .kind = OptionKind::kChoice,
     .value = "ORDER",
     .summary = "Order in which tensors are dealt",
     .fallback = "forward",
     .choices = kOrders,
     .environment = "TOY_ORDER",
     .alias = "toy_sequence"},
    {"toy_ranks", OptionKind::kCount, "N", "Ranks to deal tensors to", "1"},
    {.name = "toy_listing",
     .kind = OptionKind::kSwitch,
     .value = "",
     .summary = "Show LISTING.txt",
     .fallback = "yes",
     .alias = "toy_contents"},
}};
constexpr const OptionSpec& kOrder = kOptions[0];
constexpr const OptionSpec& kRanks = kOptions[1];
constexpr const OptionSpec& kListing = kOptions[2];

constexpr std::uint64_t kMostRanks = 1024;

class ViewBuilder {
 public:
  ViewBuilder(const CheckpointPtr& checkpoint, std::uint32_t ranks) : checkpoint_(checkpoint), ranks_(ranks) {}

  Result<View> Build(const std::string& order, bool lists) {
    std::vector<std::uint32_t> tensors(checkpoint_->tensors().specs().size());
    std::iota(tensors.begin(), tensors.end(), std::uint32_t{0});
    if (order == "reverse") std::reverse(tensors.begin(), tensors.end());
    for (std::uint32_t rank = 0; rank < ranks_; ++rank) {
      SHARDFS_RETURN_IF_ERROR(tree_.AddDirectory(DirectoryOf(rank), RankSet::Range(rank, rank + 1)));
    }
    for (std::uint32_t i = 0; i < tensors.size(); ++i) SHARDFS_RETURN_IF_ERROR(AddTensor(tensors[i], i % ranks_));
    if (lists) SHARDFS_RETURN_IF_ERROR(tree_.AddFile("LISTING.txt", RankSet::All(ranks_), MakeGeneratedFile(listing_)));
    SHARDFS_RETURN_IF_ERROR(AddCompanions());
    View view;
    view.world_size = ranks_;
    view.summary = fmt::format("toy layout for {} ranks: {} tensors", ranks_, tensors.size());
    view.sizes = {{"toy_ranks", ranks_}};
    view.options = {{"toy_order", order}, {"toy_listing", lists ? "true" : "false"}};
    view.ignored.assign(checkpoint_->ignored().begin(), checkpoint_->ignored().end());
    view.tree = std::move(tree_).Build();
    return view;
  }

 private:
  static std::string DirectoryOf(std::uint32_t rank) { return fmt::format("rank{}", rank); }

  Status AddTensor(std::uint32_t index, std::uint32_t rank) {
    const TensorSpec& spec = checkpoint_->tensors().specs()[index];
    const std::string path = fmt::format("{}/{}.safetensors", DirectoryOf(rank), spec.name);
    SHARDFS_ASSIGN_OR_RETURN(const TensorPtr tensor, checkpoint_->tensors().Build(index));
    const std::array<NamedTensor, 1> content = {{{std::string(spec.name), tensor}}};
    SHARDFS_ASSIGN_OR_RETURN(auto file, MakeTensorFile(content, checkpoint_));
    listing_ += fmt::format("{} {} {}\n", path, DtypeName(spec.dtype), ShapeToString(spec.shape));
    return tree_.AddFile(path, RankSet::Range(rank, rank + 1), std::move(file));
  }

  Status AddCompanions() {
    for (const CompanionFile& file : checkpoint_->files()) {
      if (file.name.starts_with(kReservedPrefix) || !file.is_regular) continue;
      std::unique_ptr<const VirtualFile> shown;
      if (file.text != nullptr) {
        shown = MakeGeneratedFile(*file.text);
      } else {
        SHARDFS_ASSIGN_OR_RETURN(auto source, checkpoint_->sources().OpenFile(file.name));
        shown = MakePassthroughFile(std::move(source));
      }
      SHARDFS_RETURN_IF_ERROR(tree_.AddFile(file.name, RankSet::All(ranks_), std::move(shown)));
    }
    return Status::Ok();
  }

  const CheckpointPtr& checkpoint_;
  const std::uint32_t ranks_;
  VirtualTreeBuilder tree_;
  std::string listing_;
};

}  // namespace

std::span<const OptionSpec> ToyLayout::options() const { return kOptions; }

Result<View> ToyLayout::Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                              const ViewContext& /*context*/) const {
  const std::uint64_t ranks = values.Count(kRanks).value_or(1);
  if (ranks > kMostRanks) {
    return Status::InvalidArgument(fmt::format("toy_ranks is {}, more than {}", ranks, kMostRanks));
  }
  return ViewBuilder(checkpoint, static_cast<std::uint32_t>(ranks))
      .Build(values.Text(kOrder).value_or("forward"), values.Switch(kListing).value_or(true));
}

}  // namespace shardfs
