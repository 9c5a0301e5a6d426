#include "layout/mindspore/whole_cut.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/parallel.h"
#include "base/quote_name.h"

namespace shardfs {

StrategyGrids::StrategyGrids(StrategyPtr strategy, Placement placement) : strategy_(std::move(strategy)) {
  if (strategy_ == nullptr) return;
  for (const ParameterLayout& layout : strategy_->layouts()) grids_.push_back(SliceGrid::Create(layout, placement));
}

Result<const SliceGrid*> StrategyGrids::GridOf(std::uint32_t layout) const {
  SHARDFS_RETURN_IF_ERROR(grids_[layout].status());
  return &*grids_[layout];
}

Result<const SliceGrid*> StrategyGrids::GridFor(const StrategyParameter& parameter, std::uint32_t rank) const {
  auto grid = GridOf(strategy_->DestinationEntry(parameter, rank).layout);
  if (!grid.ok()) {
    return grid.status().WithContext(
        fmt::format("parameter {} of the destination's strategy", QuoteName(parameter.name)));
  }
  return grid;
}

Result<TensorPtr> CutTensor(TensorPtr whole, const SliceGrid& grid, std::uint32_t device) {
  const Shape full = whole->shape();
  const Box box = grid.BoxOf(grid.CellOf(device), full);
  for (std::size_t axis = 0; axis < full.size(); ++axis) {
    if (box.begin[axis] == 0 && box.end[axis] == full[axis]) continue;
    SHARDFS_ASSIGN_OR_RETURN(whole, Tensor::Slice(std::move(whole), axis, box.begin[axis], box.end[axis]));
  }
  return whole;
}

Status CheckAllBuild(const Checkpoint& checkpoint) {
  const auto count = checkpoint.tensors().specs().size();
  std::vector<Status> outcomes(count);
  ParallelFor(count,
              [&](std::size_t i) { outcomes[i] = checkpoint.tensors().Build(static_cast<std::uint32_t>(i)).status(); });
  for (const Status& outcome : outcomes) SHARDFS_RETURN_IF_ERROR(outcome);
  return Status::Ok();
}

namespace {

class WholeCut final : public RankCut {
 public:
  WholeCut(CheckpointPtr checkpoint, StrategyPtr destination, const WholeCutOptions& options)
      : checkpoint_(std::move(checkpoint)),
        grids_(std::move(destination), options.placement),
        options_(options),
        sources_(SourcesOf(*checkpoint_)) {
    if (Destination() == nullptr) return;
    for (const StrategyParameter& parameter : Destination()->parameters()) {
      first_stages_.insert(parameter.entries.front().stage);
    }
  }

  Status Check() const {
    SHARDFS_RETURN_IF_ERROR(CheckAllBuild(*checkpoint_));
    if (Destination() == nullptr) return Status::Ok();
    for (const TensorSpec& spec : checkpoint_->tensors().specs()) {
      if (Destination()->Find(spec.name) != nullptr) return Status::Ok();
    }
    return Status::InvalidArgument(
        fmt::format("no tensor of the source is in the destination's strategy, whose first parameter is {}; the names "
                    "do not fit (--rename changes names)",
                    QuoteName(Destination()->parameters().front().name)));
  }

  Result<RankContent> ContentOf(std::uint32_t rank) const override {
    RankContent content;
    content.sources = sources_;
    content.metadata = MetadataOf(rank);
    const auto specs = checkpoint_->tensors().specs();
    for (std::uint32_t i = 0; i < specs.size(); ++i) {
      RankTensor tensor{specs[i].name, specs[i].dtype, specs[i].shape, i};
      const StrategyParameter* const parameter =
          Destination() == nullptr ? nullptr : Destination()->Find(specs[i].name);
      if (parameter != nullptr) {
        if (!parameter->IsOn(rank / Destination()->devices())) continue;
        SHARDFS_ASSIGN_OR_RETURN(const SliceGrid* const grid, grids_.GridFor(*parameter, rank));
        auto slice = grid->SliceShape(specs[i].shape);
        if (!slice.ok()) return slice.status().WithContext(fmt::format("parameter {}", QuoteName(specs[i].name)));
        tensor.shape = std::move(slice).value();
        tensor.is_cut = true;
        SHARDFS_RETURN_IF_ERROR(CheckElements(tensor));
      }
      content.tensors.push_back(std::move(tensor));
    }
    content.has_file = !content.tensors.empty();
    return content;
  }

  Result<TensorPtr> Build(std::uint32_t rank, const RankContent& /*content*/, const RankTensor& tensor) const override {
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr whole, checkpoint_->tensors().Build(tensor.index));
    if (!tensor.is_cut) return whole;
    SHARDFS_ASSIGN_OR_RETURN(const SliceGrid* const grid, grids_.GridFor(*Destination()->Find(tensor.name), rank));
    return CutTensor(std::move(whole), *grid, LocalRank(*Destination(), rank));
  }

 private:
  const Strategy* Destination() const { return grids_.strategy().get(); }

  Status CheckElements(const RankTensor& tensor) const {
    const bool is_empty = std::find(tensor.shape.begin(), tensor.shape.end(), 0u) != tensor.shape.end();
    if (!is_empty || options_.complete) return Status::Ok();
    return Status::InvalidArgument(
        fmt::format("parameter {} has no elements, which MindSpore's tools cannot cut; --complete shows it",
                    QuoteName(tensor.name)));
  }

  // The tools hand on the source's metadata where they work stage by stage, which they do for several stages that read
  // the same files: always, of one source device. A stage that no name has first reads as if there were one.
  FileMetadata MetadataOf(std::uint32_t rank) const {
    const auto& parts = checkpoint_->parts();
    const bool is_staged = Destination() != nullptr && Destination()->stages().size() > 1;
    if (options_.complete || !is_staged || parts == nullptr || parts->file_count() != 1) return MindsporeMetadata();
    if (!first_stages_.contains(rank / Destination()->devices())) return MindsporeMetadata();
    const FileMetadata* const metadata = &parts->MetadataOf(0);
    return InheritMetadata({&metadata, 1});
  }

  const CheckpointPtr checkpoint_;
  const StrategyGrids grids_;
  const WholeCutOptions options_;
  const FileSources sources_;
  std::set<std::uint32_t> first_stages_;  // of the destination: the first stage of each name
};

}  // namespace

Result<RankCutPtr> MakeWholeCut(CheckpointPtr checkpoint, StrategyPtr destination, const WholeCutOptions& options) {
  auto cut = std::make_shared<const WholeCut>(std::move(checkpoint), std::move(destination), options);
  SHARDFS_RETURN_IF_ERROR(cut->Check());
  return RankCutPtr(std::move(cut));
}

}  // namespace shardfs
