// For one destination device MindSpore reads, of every parameter, the lowest device of each distinct slice; the union
// of these over all parameters, on every stage, are the ranks that must have files. Of a shared parameter the lowest
// stage's copy counts. Without redundancy a slice is with any one rank of those that hold it, which all files are read
// for. `complete` looks for each slice in the same way whatever the files say.
#include "layout/mindspore/unified_slices.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/quote_name.h"
#include "layout/mindspore/assemble.h"
#include "layout/mindspore/rank_cut.h"
#include "layout/mindspore/redundancy_classes.h"

namespace shardfs {
namespace {

constexpr std::string_view kRemovedKey = "remove_redundancy";

}  // namespace

Result<UnifiedSlices> UnifiedSlices::Create(MindsporeSourcePtr source, const UnifiedSliceOptions& options) {
  UnifiedSlices slices;
  slices.source_ = std::move(source);
  slices.options_ = options;
  SHARDFS_RETURN_IF_ERROR(slices.FindNeeded());
  slices.FindMode();
  std::vector<std::uint32_t> read = slices.needed_;
  if (slices.redundancy_removed_ || options.complete) {
    read.clear();
    for (const SourceFile& file : slices.source_->files()) read.push_back(file.rank);
  }
  Status steps = slices.source_->CheckSteps(read);
  if (!steps.ok() && options.complete) {
    SHARDFS_ASSIGN_OR_RETURN(slices.source_, slices.source_->AtCommonStep(read, &slices.told_));
    slices.FindMode();
    steps = Status::Ok();
  }
  SHARDFS_RETURN_IF_ERROR(steps);
  if (!options.complete) SHARDFS_RETURN_IF_ERROR(slices.CheckFiles());
  return slices;
}

Status UnifiedSlices::FindNeeded() {
  const Strategy& strategy = *source_->strategy();
  std::set<std::uint32_t> layouts;
  for (const StrategyParameter& parameter : strategy.parameters()) layouts.insert(parameter.SourceEntry().layout);
  std::set<std::uint32_t> devices;
  for (const std::uint32_t layout : layouts) {
    const Result<SliceGrid>& grid = source_->GridOf(layout, options_.placement);
    if (!grid.ok()) return grid.status();
    for (const std::uint32_t device : grid->FirstDevices()) devices.insert(device % strategy.devices());
  }
  for (const std::uint32_t stage : strategy.stages()) {
    for (const std::uint32_t device : devices) needed_.push_back(stage * strategy.devices() + device);
  }
  for (std::uint32_t layout = 0; layout < strategy.layouts().size(); ++layout) {
    const Result<SliceGrid>& training = source_->GridOf(layout, Placement::kTraining);
    classes_are_found_.push_back(training.ok() && FindsRedundancyClasses(strategy.layouts()[layout], *training));
  }
  return Status::Ok();
}

// The last file that says so decides, and where none does, the option.
void UnifiedSlices::FindMode() {
  redundancy_removed_ = !source_->options().has_redundancy;
  for (const SourceFile& file : source_->files()) {
    for (const auto& [key, value] : file.metadata) {
      if (key != kRemovedKey) continue;
      if (value == "True") redundancy_removed_ = true;
      if (value == "False") redundancy_removed_ = false;
    }
  }
}

Status UnifiedSlices::CheckFiles() const {
  if (redundancy_removed_ && source_->strategy()->facts().is_json) {
    return Status::NotSupported(
        "MindSpore cannot find the slices of files without redundancy by a JSON strategy; give --complete to have them "
        "found nevertheless");
  }
  const std::uint32_t devices = source_->strategy()->devices();
  const std::string& suffix = source_->options().file_suffix;
  for (const std::uint32_t rank : needed_) {
    if (source_->FileOfRank(rank) != nullptr) continue;
    return Status::Corruption(
        fmt::format("rank_{}/ has no file *{}.safetensors, and {} needs the slice of rank {}; restore it, or give "
                    "--complete, which takes slices from any rank that holds them",
                    rank, suffix, WhoNeeds(rank % devices), rank));
  }
  return Status::Ok();
}

// A parameter of which that device has a slice that no lower one has.
std::string UnifiedSlices::WhoNeeds(std::uint32_t local) const {
  const Strategy& strategy = *source_->strategy();
  for (const StrategyParameter& parameter : strategy.parameters()) {
    const auto firsts = source_->GridOf(parameter.SourceEntry().layout, options_.placement)->FirstDevices();
    if (std::find(firsts.begin(), firsts.end(), local) != firsts.end()) return QuoteName(parameter.name);
  }
  return "a parameter";
}

FileMetadata UnifiedSlices::PartMetadata() const {
  if (options_.complete) return MindsporeMetadata();
  std::vector<const FileMetadata*> read;
  if (redundancy_removed_) {
    for (const SourceFile& file : source_->files()) read.push_back(&file.metadata);
  } else {
    for (auto rank = needed_.rbegin(); rank != needed_.rend(); ++rank) {
      read.push_back(&source_->FileOfRank(*rank)->metadata);
    }
  }
  return InheritMetadata(read);
}

FileSources UnifiedSlices::Sources() const {
  auto sources = std::make_shared<std::vector<const ByteSource*>>();
  const bool are_all = redundancy_removed_ || options_.complete;
  for (const SourceFile& file : source_->files()) {
    if (are_all || std::binary_search(needed_.begin(), needed_.end(), file.rank)) sources->push_back(file.source);
  }
  return sources;
}

UnifiedSlices::Held UnifiedSlices::HeldBy(std::uint32_t rank, std::uint32_t name) const {
  const SourceFile* const file = source_->FileOfRank(rank);
  return {file, file == nullptr ? nullptr : file->Find(name)};
}

std::vector<UnifiedSlices::Held> UnifiedSlices::HoldersOfCopy(const SourceParameter& parameter,
                                                              const StageCopy& copy) const {
  const std::uint32_t devices = source_->strategy()->devices();
  const std::uint32_t base = copy.stage * devices;
  const auto firsts = source_->GridOf(copy.layout, options_.placement)->FirstDevices();
  std::vector<Held> holders;
  holders.reserve(firsts.size());
  for (const std::uint32_t first : firsts) holders.push_back(HeldBy(base + first % devices, parameter.name));
  if (!redundancy_removed_ && !options_.complete) return holders;
  // Which ranks hold the same slice, training has decided.
  const SliceGrid& training = *source_->GridOf(copy.layout, Placement::kTraining);
  std::vector<Held> lowest(training.cells());
  for (std::uint32_t device = 0; device < devices; ++device) {
    Held& held = lowest[training.CellOf(device)];
    if (held.tensor == nullptr) held = HeldBy(base + device, parameter.name);
  }
  for (std::size_t cell = 0; cell < firsts.size(); ++cell) {
    if (holders[cell].tensor == nullptr) holders[cell] = lowest[training.CellOf(firsts[cell])];
  }
  return holders;
}

Result<std::vector<UnifiedSlices::Held>> UnifiedSlices::FindHolders(const SourceParameter& parameter) const {
  const StageCopy& first = parameter.copies.front();
  std::vector<Held> holders = HoldersOfCopy(parameter, first);
  for (std::size_t i = 1; i < parameter.copies.size(); ++i) {
    if (parameter.copies[i].layout != first.layout) continue;
    if (std::all_of(holders.begin(), holders.end(), [](const Held& held) { return held.tensor != nullptr; })) break;
    const std::vector<Held> others = HoldersOfCopy(parameter, parameter.copies[i]);
    for (std::size_t cell = 0; cell < holders.size(); ++cell) {
      if (holders[cell].tensor == nullptr) holders[cell] = others[cell];
    }
  }
  const auto missing =
      std::find_if(holders.begin(), holders.end(), [](const Held& held) { return held.tensor == nullptr; });
  if (missing == holders.end()) return holders;
  const auto firsts = source_->GridOf(first.layout, options_.placement)->FirstDevices();
  return Missing(parameter, firsts[static_cast<std::size_t>(missing - holders.begin())]);
}

Status UnifiedSlices::Missing(const SourceParameter& parameter, std::uint32_t local) const {
  const std::uint32_t rank = parameter.copies.front().stage * source_->strategy()->devices() + local;
  const std::string what = fmt::format("the file of rank {} lacks its slice of parameter {}", rank,
                                       QuoteName(source_->NameOf(parameter.name)));
  if (options_.complete || redundancy_removed_) {
    return Status::Corruption(what + ", and so do those of all ranks that hold the same slice");
  }
  return Status::Corruption(what +
                            "; if the files were saved without redundancy, give --no-has-redundancy, or --complete, "
                            "which takes slices from any rank that holds them");
}

Status UnifiedSlices::Check(const SourceParameter& parameter) const {
  SHARDFS_RETURN_IF_ERROR(parameter.defect);
  for (const StageCopy& copy : parameter.copies) {
    const Result<SliceGrid>& grid = source_->GridOf(copy.layout, options_.placement);
    if (!grid.ok())
      return grid.status().WithContext(fmt::format("parameter {}", QuoteName(source_->NameOf(parameter.name))));
  }
  const StageCopy& first = parameter.copies.front();
  if (redundancy_removed_ && !options_.complete && !classes_are_found_[first.layout]) {
    return Status::NotSupported(fmt::format(
        "MindSpore would take wrong slices of parameter {}, which was saved without redundancy: it does not find the "
        "ranks that hold the same slice by {}; give --complete, which does",
        QuoteName(source_->NameOf(parameter.name)), DescribeLayout(source_->strategy()->layouts()[first.layout])));
  }
  if (first.holders == source_->strategy()->devices()) return Status::Ok();  // every rank of the stage has its slice
  return FindHolders(parameter).status();
}

Result<TensorPtr> UnifiedSlices::Build(const SourceParameter& parameter) const {
  SHARDFS_ASSIGN_OR_RETURN(const std::vector<Held> holders, FindHolders(parameter));
  const SliceGrid& grid = *source_->GridOf(parameter.copies.front().layout, options_.placement);
  return AssembleBox(grid, parameter.full, WholeBox(parameter.full),
                     [&](std::uint64_t cell) { return source_->Build(*holders[cell].file, *holders[cell].tensor); });
}

}  // namespace shardfs
