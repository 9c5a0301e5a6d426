// Which files of the source MindSpore's tools read for a rank of the destination, decided by strategies alone. They go
// one of three ways, and which one decides what is lost: stage by stage of the source where only the destination has
// one stage; stage by stage of the destination where all its ranks need the same files; else for each rank alone. A
// `Pass` is one such round over the source: all stages, or one of them. The layouts that meet in a pass say which
// devices of a stage are gathered for the rank.
#include <fmt/format.h>

#include "base/quote_name.h"
#include "layout/mindspore/gathered_ranks.h"
#include "layout/mindspore/slice_cut_class.h"

namespace shardfs {

std::vector<Pass> SliceCut::Passes() const {
  if (way_ != Way::kSourceStages) return {{}};
  std::vector<Pass> passes;
  for (const std::uint32_t stage : strategy_.stages()) passes.push_back({stage});
  return passes;
}

std::uint32_t SliceCut::SourceLayout(const StrategyParameter& parameter, const Pass& pass) const {
  return pass.stage ? parameter.EntryOf(*pass.stage)->layout : parameter.SourceEntry().layout;
}

std::uint32_t SliceCut::DestinationLayout(const StrategyParameter* parameter, std::uint32_t rank) const {
  return parameter == nullptr ? kWholeLayout : Destination()->DestinationEntry(*parameter, rank).layout;
}

// A meeting is the same for all ranks of a stage, unless layouts of the destination are of different device numbers.
const SliceCut::Meeting& SliceCut::MeetingOf(std::uint32_t rank, const Pass& pass, Meeting& place) const {
  const auto known = meetings_.find({StageOf(rank), pass.stage});
  if (known != meetings_.end()) return known->second;
  place = MakeMeeting(rank, pass);
  return place;
}

SliceCut::Meeting SliceCut::MakeMeeting(std::uint32_t rank, const Pass& pass) const {
  Meeting meeting;
  for (std::size_t index = 0; index < of_parameter_.size(); ++index) {
    const StrategyParameter& parameter = strategy_.parameters()[index];
    if (pass.stage && !parameter.IsOn(*pass.stage)) continue;
    const StrategyParameter* const in_destination = OfParameter(index);
    if (IsDropped(in_destination, rank)) continue;
    for (const StrategyEntry& entry : parameter.entries) {
      if (!pass.stage || entry.stage == *pass.stage) meeting.stages.insert(entry.stage);
    }
    if (!IsInBoth(in_destination)) continue;
    meeting.pairs.emplace(SourceLayout(parameter, pass), DestinationLayout(in_destination, rank));
  }
  return meeting;
}

Result<const SliceGrid*> SliceCut::SourceGrid(std::uint32_t layout) const {
  const auto& grid = source_->GridOf(layout, options_.placement);
  if (grid.ok()) return &*grid;
  for (const StrategyParameter& parameter : strategy_.parameters()) {
    if (parameter.SourceEntry().layout != layout) continue;
    return grid.status().WithContext(fmt::format("parameter {} of the source's strategy", QuoteName(parameter.name)));
  }
  return grid.status().WithContext("the source's strategy");
}

Result<std::vector<std::uint32_t>> SliceCut::Gathered(const LayoutPair& pair, const Shape& full,
                                                      std::uint32_t device) const {
  SHARDFS_ASSIGN_OR_RETURN(const SliceGrid* const from, SourceGrid(pair.first));
  if (from->axes() != full.size()) return Status::Corruption("the strategies have different numbers of axes");
  if (pair.second == kWholeLayout) return GatheredDevices(*from, SliceGrid::Whole(full.size()), full, device);
  SHARDFS_ASSIGN_OR_RETURN(const SliceGrid* const to, grids_.GridOf(pair.second));
  if (to->axes() != full.size()) {
    return Status::InvalidArgument(fmt::format(
        "the destination's strategy has a parameter of {} axes where the source's has {}", to->axes(), full.size()));
  }
  return GatheredDevices(*from, *to, full, device);
}

Result<std::vector<std::uint32_t>> SliceCut::NeededRanks(std::uint32_t rank, const Pass& /*pass*/,
                                                         const Meeting& meeting) const {
  const std::uint32_t devices = strategy_.devices();
  const std::uint32_t local = Local(rank);
  if (local >= std::max(devices, DestinationDevices())) {
    return Status::InvalidArgument(
        fmt::format("MindSpore's tools look for rank {} of the destination, whose stages have one device each, among "
                    "the {} devices "
                    "of a source stage, and fail; --complete shows it",
                    rank, devices));
  }
  std::set<std::uint32_t> of_stage;
  for (const LayoutPair& pair : meeting.pairs) {
    SHARDFS_ASSIGN_OR_RETURN(const SliceGrid* const from, SourceGrid(pair.first));
    SHARDFS_ASSIGN_OR_RETURN(const auto gathered,
                             Gathered(pair, MadeUpShape(*from, devices, DestinationDevices()), local));
    for (const std::uint32_t device : gathered) of_stage.insert(device % devices);
  }
  std::vector<std::uint32_t> needed;
  for (const std::uint32_t stage : meeting.stages) {
    for (const std::uint32_t device : of_stage) needed.push_back(stage * devices + device);
  }
  return needed;
}

Result<std::vector<SliceCut::Reading>> SliceCut::ReadingsOf(std::uint32_t rank) const {
  std::vector<Reading> readings;
  for (const Pass& pass : Passes()) {
    Meeting place;
    Reading reading{pass, MeetingOf(rank, pass, place), {}, {}};
    if (reading.meeting.pairs.empty()) {
      if (options_.complete) continue;
      return Status::InvalidArgument(fmt::format(
          "no parameter of the source's strategy{} is in the destination's for rank {}; the names do not fit",
          pass.stage ? fmt::format(", of stage {},", *pass.stage) : "", rank));
    }
    SHARDFS_ASSIGN_OR_RETURN(reading.needed, NeededRanks(rank, pass, reading.meeting));
    readings.push_back(std::move(reading));
  }
  return readings;
}

// What the way that the tools take asks of the source's strategy.
Status SliceCut::CheckWay() const {
  if (options_.complete || way_ != Way::kSourceStages) return Status::Ok();
  const char* what = nullptr;
  if (strategy_.facts().is_json) what = "is JSON";
  if (!strategy_.facts().has_operators) what = "has no strategy of an operator";
  if (!strategy_.all_names_have_stages()) what = "has names without a stage";
  if (what == nullptr) return Status::Ok();
  return Status::InvalidArgument(
      fmt::format("the source's strategy {}, and MindSpore's tools then cannot put its {} stages into one; merge the "
                  "strategies of all ranks, or give --complete",
                  what, strategy_.stages().size()));
}

Status SliceCut::Prepare() {
  if (Destination() != nullptr) {
    SHARDFS_RETURN_IF_ERROR(Destination()->CheckStages().WithContext("the destination's strategy"));
    for (const StrategyParameter& parameter : Destination()->parameters()) {
      first_stages_.insert(parameter.entries.front().stage);
    }
  }
  SHARDFS_RETURN_IF_ERROR(strategy_.CheckStages().WithContext("the source's strategy"));
  for (std::uint32_t name = 0; name < source_->names(); ++name) {
    of_name_.push_back(Destination() == nullptr ? nullptr : Destination()->Find(source_->NameOf(name)));
  }
  for (const StrategyParameter& parameter : strategy_.parameters()) {
    of_parameter_.push_back(Destination() == nullptr ? nullptr : Destination()->Find(parameter.name));
  }
  for (const ParameterLayout& layout : strategy_.layouts()) {
    devices_agree_ = devices_agree_ && DevicesOf(layout) == strategy_.devices();
    if (strategy_.devices() % DevicesOf(layout) == 0) continue;
    return Status::Corruption(
        fmt::format("the source's strategy has parameters cut over {} devices, and others over {}", strategy_.devices(),
                    DevicesOf(layout)));
  }
  std::set<std::pair<std::uint32_t, std::uint32_t>> seen;  // stages and names
  for (const SourceFile& file : source_->files()) {
    const std::uint32_t stage = file.rank / strategy_.devices();
    for (const StoredTensor& tensor : file.tensors) {
      const auto parameter = source_->ParameterOf(tensor.name);
      const bool may_be_raw =
          !parameter || !IsInBoth(OfName(tensor.name)) || !strategy_.parameters()[*parameter].IsOn(stage);
      if (may_be_raw && seen.emplace(stage, tensor.name).second) raw_[stage].push_back(tensor.name);
    }
  }
  const bool one_stage = Destination() == nullptr || Destination()->stages().size() == 1;
  if (one_stage && strategy_.stages().size() > 1) way_ = Way::kSourceStages;
  SHARDFS_RETURN_IF_ERROR(CheckWay());
  if (Destination() != nullptr) {
    for (const ParameterLayout& layout : Destination()->layouts()) {
      destination_devices_agree_ = destination_devices_agree_ && DevicesOf(layout) == DestinationDevices();
    }
  }
  for (std::uint32_t rank = 0; destination_devices_agree_ && rank < DestinationRanks(); rank += DestinationDevices()) {
    for (const Pass& pass : Passes()) meetings_[{StageOf(rank), pass.stage}] = MakeMeeting(rank, pass);
  }
  if (one_stage) return Status::Ok();
  std::vector<std::uint32_t> first;
  for (std::uint32_t rank = 0; rank < DestinationRanks(); ++rank) {
    SHARDFS_ASSIGN_OR_RETURN(const auto readings, ReadingsOf(rank));
    const auto needed = readings.empty() ? std::vector<std::uint32_t>() : readings.front().needed;
    if (rank == 0) first = needed;
    if (needed != first) return Status::Ok();
  }
  way_ = Way::kDestinationStages;
  return Status::Ok();
}

Status SliceCut::CheckNeeded(std::uint32_t rank, const Reading& reading) const {
  if (options_.complete) return Status::Ok();
  for (const std::uint32_t needed : reading.needed) {
    if (source_->FileOfRank(needed) != nullptr) continue;
    return Status::Corruption(
        fmt::format("rank {} of the destination needs the file of rank {} of the source, which is missing; --complete "
                    "takes slices from other ranks that hold them",
                    rank, needed));
  }
  return source_->CheckSteps(reading.needed);
}

// The tools make the slice of the destination's own device, and look for the files of a rank's number.
Result<const SliceCut::GatheredKind*> SliceCut::GatheredOf(std::uint32_t rank, const Reading& reading,
                                                           const SourceParameter& parameter, const StageCopy& copy,
                                                           const StrategyParameter* in_destination) const {
  const std::uint32_t layout = DestinationLayout(in_destination, rank);
  const auto [place, is_new] = reading.gathered.try_emplace({copy.stage, copy.layout, copy.shape, layout});
  if (!is_new) return &place->second;
  auto devices = Gathered({copy.layout, layout}, parameter.full, rank % DestinationDevices());
  if (!devices.ok()) {
    reading.gathered.erase(place);
    return devices.status().WithContext(fmt::format("parameter {}", QuoteName(source_->NameOf(parameter.name))));
  }
  GatheredKind& kind = place->second;
  kind.devices = std::move(devices).value();
  kind.are_read = std::all_of(kind.devices.begin(), kind.devices.end(), [&](std::uint32_t device) {
    const std::uint32_t needed = copy.stage * strategy_.devices() + device % strategy_.devices();
    return std::binary_search(reading.needed.begin(), reading.needed.end(), needed);
  });
  return &kind;
}

// The files that are read; with `complete` all, as one may stand in for another.
FileSources SliceCut::SourcesFor(const std::vector<Reading>& readings) const {
  auto sources = std::make_shared<std::vector<const ByteSource*>>();
  if (options_.complete) {
    for (const SourceFile& file : source_->files()) sources->push_back(file.source);
    return sources;
  }
  for (const Reading& reading : readings) {
    for (const std::uint32_t needed : reading.needed) {
      if (const SourceFile* const file = source_->FileOfRank(needed); file != nullptr) sources->push_back(file->source);
    }
  }
  return sources;
}

Result<std::vector<std::uint32_t>> SliceCut::NeededOfAll() const {
  std::set<std::uint32_t> all;
  for (std::uint32_t rank = 0; rank < DestinationRanks(); ++rank) {
    SHARDFS_ASSIGN_OR_RETURN(const std::vector<Reading> readings, ReadingsOf(rank));
    for (const Reading& reading : readings) all.insert(reading.needed.begin(), reading.needed.end());
  }
  return std::vector<std::uint32_t>(all.begin(), all.end());
}

}  // namespace shardfs
