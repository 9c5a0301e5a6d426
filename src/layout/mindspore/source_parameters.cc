// What all files together hold of each parameter of the strategy.
#include <fmt/format.h>

#include <algorithm>

#include "base/quote_name.h"
#include "layout/mindspore/mindspore_source.h"

namespace shardfs {
namespace {

constexpr std::uint32_t kNone = ~std::uint32_t{0};

StageCopy* FindCopy(std::vector<StageCopy>& copies, std::uint32_t stage) {
  const auto found =
      std::find_if(copies.begin(), copies.end(), [&](const StageCopy& copy) { return copy.stage == stage; });
  return found == copies.end() ? nullptr : &*found;
}

// Fills in the whole shape, or the defect.
void PutTogether(const MindsporeSource& source, SourceParameter& parameter) {
  bool is_first = true;
  for (const StageCopy& copy : parameter.copies) {
    const auto& grid = source.GridOf(copy.layout, Placement::kTools);
    Result<Shape> full = grid.ok() ? grid->FullShape(source.ShapeOf(copy.shape)) : grid.status();
    if (!full.ok()) {
      parameter.defect =
          full.status().WithContext(fmt::format("parameter {}", QuoteName(source.NameOf(parameter.name))));
      return;
    }
    if (is_first) parameter.full = *full;
    is_first = false;
    if (*full == parameter.full) continue;
    parameter.defect = Status::Corruption(
        fmt::format("parameter {} has shape {} in the files of stage {}, and {} in those of stage {}",
                    QuoteName(source.NameOf(parameter.name)), ShapeToString(parameter.full),
                    parameter.copies.front().stage, ShapeToString(*full), copy.stage));
    return;
  }
}

}  // namespace

Status MindsporeSource::GatherParameters() {
  for (const Placement placement : {Placement::kTools, Placement::kTraining}) {
    auto& grids = grids_[placement == Placement::kTraining ? 1 : 0];
    for (const ParameterLayout& layout : strategy_->layouts()) grids.push_back(SliceGrid::Create(layout, placement));
  }
  parameters_.resize(strategy_->parameters().size());
  parameter_of_.assign(names_.size(), kNone);
  for (std::uint32_t name = 0; name < names_.size(); ++name) {
    const auto index = strategy_->IndexOf(names_[name]);
    if (!index) continue;
    parameter_of_[name] = *index;
    parameters_[*index].name = name;
  }
  const std::uint32_t devices = strategy_->devices();
  for (const SourceFile& file : files_) {
    const std::uint32_t stage = file.rank / devices;
    if (!std::binary_search(strategy_->stages().begin(), strategy_->stages().end(), stage)) {
      return Status::Corruption(fmt::format(
          "there is {}, and the strategy is of {} ranks ({} stages of {} devices); give the strategy of all "
          "stages",
          QuoteName(file.source->name()), strategy_->ranks(), strategy_->stages().size(), devices));
    }
    for (const StoredTensor& tensor : file.tensors) {
      const std::uint32_t index = parameter_of_[tensor.name];
      if (index == kNone) continue;
      SourceParameter& parameter = parameters_[index];
      const StrategyParameter& strategy = strategy_->parameters()[index];
      StageCopy* copy = FindCopy(parameter.copies, stage);
      if (copy == nullptr) {
        const StrategyEntry* const entry = strategy.EntryOf(stage);
        if (parameter.copies.empty()) parameter.dtype = tensor.dtype;
        parameter.copies.push_back(
            {stage, entry == nullptr ? strategy.SourceEntry().layout : entry->layout, tensor.shape, 0});
        copy = &parameter.copies.back();
      }
      ++copy->holders;
      if (!parameter.defect.ok()) continue;
      if (tensor.dtype != parameter.dtype) {
        parameter.defect = Status::Corruption(fmt::format("parameter {} is {} in the file of rank {}, and {} in others",
                                                          QuoteName(strategy.name), DtypeName(tensor.dtype), file.rank,
                                                          DtypeName(parameter.dtype)));
      } else if (tensor.shape != copy->shape) {
        parameter.defect = Status::Corruption(
            fmt::format("the slice of parameter {} has shape {} on rank {}, and {} on another rank of its stage; the "
                        "strategy cuts it into equal slices",
                        QuoteName(strategy.name), ShapeToString(ShapeOf(tensor.shape)), file.rank,
                        ShapeToString(ShapeOf(copy->shape))));
      }
    }
  }
  for (SourceParameter& parameter : parameters_) {
    if (parameter.defect.ok() && !parameter.copies.empty()) PutTogether(*this, parameter);
  }
  return Status::Ok();
}

std::optional<TrainingStep> MindsporeSource::CommonStep(std::span<const std::uint32_t> ranks) const {
  std::optional<std::vector<TrainingStep>> common;
  for (const RankDirectory& directory : directories_) {
    if (directory.candidates.empty() || !std::binary_search(ranks.begin(), ranks.end(), directory.rank)) continue;
    std::vector<TrainingStep> own;  // ascending, as the candidates are
    for (const RankCandidate& candidate : directory.candidates) {
      if (candidate.step) own.push_back(*candidate.step);
    }
    if (!common) {
      common = std::move(own);
      continue;
    }
    std::erase_if(*common, [&](const TrainingStep& step) { return !std::binary_search(own.begin(), own.end(), step); });
  }
  return !common || common->empty() ? std::nullopt : std::optional(common->back());
}

Status MindsporeSource::CheckSteps(std::span<const std::uint32_t> ranks) const {
  const TrainingStep* first = nullptr;
  std::uint32_t rank_of_first = 0;
  for (const RankDirectory& directory : directories_) {
    if (step_ || directory.candidates.empty() || !directory.candidates.back().step) continue;
    if (!std::binary_search(ranks.begin(), ranks.end(), directory.rank)) continue;
    const TrainingStep& step = *directory.candidates.back().step;
    if (first == nullptr) {
      first = &step;
      rank_of_first = directory.rank;
    }
    if (step == *first) continue;
    const auto common = CommonStep(ranks);
    return Status::Corruption(fmt::format(
        "the newest files are of different training steps: {} for rank {}, {} for rank {}; {}", first->ToString(),
        rank_of_first, step.ToString(), directory.rank,
        common ? fmt::format("the newest step that all needed ranks have is {}; choose it with --file-suffix {}",
                             common->ToString(), common->ToString())
               : std::string("there is no step that all needed ranks have")));
  }
  return Status::Ok();
}

Result<MindsporeSourcePtr> MindsporeSource::AtCommonStep(std::span<const std::uint32_t> ranks,
                                                         std::string* told) const {
  const auto common = CommonStep(ranks);
  if (!common) return CheckSteps(ranks);
  *told = fmt::format(
      "the newest files are of different training steps; those of {}, the newest step that all needed "
      "ranks have, are taken",
      common->ToString());
  const auto source = std::make_shared<MindsporeSource>();
  source->path_ = path_;
  source->options_ = options_;
  source->step_ = common;
  source->strategy_ = strategy_;
  SHARDFS_ASSIGN_OR_RETURN(source->root_, SourceRoot::Open(path_));
  const Status status = source->Load();
  if (!status.ok()) return status.WithContext(fmt::format("source '{}'", source->root_->path()));
  return MindsporeSourcePtr(source);
}

}  // namespace shardfs
