// For each rank of the destination MindSpore's tools list the source files that it needs, and put together what these
// hold: parameters of both strategies are cut anew, and all else in them is handed on as it is. They do so in one of
// three ways, and which one decides what is lost: stage by stage of the source where only the destination has one stage;
// stage by stage of the destination where all its ranks need the same files; else for each rank alone. A `Pass` is one
// such round over the source: all stages, or one of them.
//
// What a rank's files are is decided by strategies alone. Everything is computed from these when a rank is asked for,
// and nothing is kept, as a thousand ranks have four million tensors.
#include "layout/mindspore/slice_cut.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/quote_name.h"
#include "layout/mindspore/assemble.h"
#include "layout/mindspore/gathered_ranks.h"

namespace shardfs {
namespace {

enum class Way : std::uint8_t { kRankByRank, kSourceStages, kDestinationStages };

// One round over the source: of all its stages, or of one.
struct Pass {
  std::optional<std::uint32_t> stage;
};

using LayoutPair = std::pair<std::uint32_t, std::uint32_t>;  // of source and destination
constexpr std::uint32_t kWholeLayout = ~std::uint32_t{0};    // where there is no destination strategy

class SliceCut final : public RankCut {
 public:
  SliceCut(MindsporeSourcePtr source, StrategyPtr destination, const WholeCutOptions& options)
      : source_(std::move(source)),
        strategy_(*source_->strategy()),
        grids_(std::move(destination), options.placement),
        options_(options) {}

  Status Prepare();
  void Describe(SliceCutAccount& account) const;

  Result<RankContent> ContentOf(std::uint32_t rank) const override;
  void OrderAsWritten(RankContent& content) const override;
  Result<TensorPtr> Build(std::uint32_t rank, const RankContent& content, const RankTensor& tensor) const override;
  // The source ranks whose files any rank reads, ascending.
  Result<std::vector<std::uint32_t>> NeededOfAll() const;

 private:
  const Strategy* Destination() const { return grids_.strategy().get(); }
  std::uint32_t DestinationDevices() const { return Destination() == nullptr ? 1 : Destination()->devices(); }
  std::uint32_t DestinationRanks() const {
    return Destination() == nullptr ? 1 : static_cast<std::uint32_t>(Destination()->ranks());
  }
  std::uint32_t StageOf(std::uint32_t rank) const { return rank / DestinationDevices(); }
  // The tools take a rank itself for its number in a stage where stages have one device.
  std::uint32_t Local(std::uint32_t rank) const {
    return DestinationDevices() == 1 && !options_.complete ? rank : rank % DestinationDevices();
  }
  // What the destination's strategy says of a name of the source's files, and of a parameter of the source's strategy;
  // nullptr where it does not know it, or there is none.
  const StrategyParameter* OfName(std::uint32_t name) const { return of_name_[name]; }
  const StrategyParameter* OfParameter(std::size_t index) const { return of_parameter_[index]; }
  // Whether a name is taken out of both strategies for a rank: the destination has it on other stages only.
  bool IsDropped(const StrategyParameter* parameter, std::uint32_t rank) const {
    return parameter != nullptr && !parameter->IsOn(StageOf(rank));
  }
  bool IsInBoth(const StrategyParameter* in_destination) const {
    return Destination() == nullptr || in_destination != nullptr;
  }

  std::vector<Pass> Passes() const;
  // The layouts that meet in a pass, and the stages of the source that it reads.
  struct Meeting {
    std::set<LayoutPair> pairs;
    std::set<std::uint32_t> stages;
  };
  Meeting MakeMeeting(std::uint32_t rank, const Pass& pass) const;
  const Meeting& MeetingOf(std::uint32_t rank, const Pass& pass, Meeting& place) const;
  std::uint32_t SourceLayout(const StrategyParameter& parameter, const Pass& pass) const;
  std::uint32_t DestinationLayout(const StrategyParameter* parameter, std::uint32_t rank) const;
  Result<const SliceGrid*> SourceGrid(std::uint32_t layout) const;
  Result<std::vector<std::uint32_t>> Gathered(const LayoutPair& pair, const Shape& full, std::uint32_t device) const;
  // The source ranks whose files a pass reads, ascending.
  Result<std::vector<std::uint32_t>> NeededRanks(std::uint32_t rank, const Pass& pass, const Meeting& meeting) const;

  // The devices of a source stage that the slice of a rank is made of, for all parameters of one kind.
  struct GatheredKind {
    std::vector<std::uint32_t> devices;
    bool are_read = false;  // the files of all of them
  };
  struct Reading {
    Pass pass;
    Meeting meeting;
    std::vector<std::uint32_t> needed;
    // By the copy's stage, its layout and shape, and the destination's layout.
    mutable std::map<std::array<std::uint32_t, 4>, GatheredKind> gathered;
  };
  Result<const GatheredKind*> GatheredOf(std::uint32_t rank, const Reading& reading, const SourceParameter& parameter,
                                         const StageCopy& copy, const StrategyParameter* in_destination) const;
  Result<std::vector<Reading>> ReadingsOf(std::uint32_t rank) const;
  Status CheckNeeded(std::uint32_t rank, const Reading& reading) const;
  Status CheckWay() const;
  bool IsReadForStage(const StrategyParameter& in_destination, std::uint32_t rank) const;

  const StageCopy* CopyOf(const SourceParameter& parameter, const Reading& reading) const;
  const SourceFile* HolderOf(const SourceParameter& parameter, const StageCopy& copy, const Reading& reading,
                             std::uint32_t device, const SliceGrid& grid) const;
  Status AddParameters(std::uint32_t rank, const Reading& reading, std::unordered_set<std::uint32_t>& taken,
                       RankContent& content) const;
  Status AddParameter(std::uint32_t rank, const Reading& reading, std::uint32_t index, RankContent& content) const;
  Status CheckHeld(std::uint32_t rank, const Reading& reading, const SourceParameter& parameter, const StageCopy& copy,
                   const StrategyParameter* in_destination) const;
  Status AddRaw(std::uint32_t rank, const Reading& reading, std::unordered_set<std::uint32_t>& taken,
                RankContent& content) const;
  const SourceFile* RawFile(std::uint32_t name, std::uint32_t stage, std::uint32_t device, const Reading& reading) const;
  std::uint32_t RawDevices(std::uint32_t rank, const Reading& reading) const;
  bool IsRaw(std::uint32_t name, const Pass& pass) const;
  FileMetadata MetadataOf(std::uint32_t rank, const std::vector<Reading>& readings) const;
  FileSources SourcesFor(const std::vector<Reading>& readings) const;

  const MindsporeSourcePtr source_;
  const Strategy& strategy_;
  const StrategyGrids grids_;
  const WholeCutOptions options_;
  Way way_ = Way::kRankByRank;
  std::set<std::uint32_t> first_stages_;  // of the destination: the first stage of each name
  std::vector<const StrategyParameter*> of_name_;
  std::vector<const StrategyParameter*> of_parameter_;
  bool devices_agree_ = true;              // of all layouts of the source
  bool destination_devices_agree_ = true;  // of all layouts of the destination
  std::map<std::pair<std::uint32_t, std::optional<std::uint32_t>>, Meeting> meetings_;  // by stages, where these agree
  std::map<std::uint32_t, std::vector<std::uint32_t>> raw_;  // of each stage: names that a pass may hand on as they are
};

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
    return Status::InvalidArgument(
        fmt::format("the destination's strategy has a parameter of {} axes where the source's has {}", to->axes(),
                    full.size()));
  }
  return GatheredDevices(*from, *to, full, device);
}

Result<std::vector<std::uint32_t>> SliceCut::NeededRanks(std::uint32_t rank, const Pass& /*pass*/,
                                                         const Meeting& meeting) const {
  const std::uint32_t devices = strategy_.devices();
  const std::uint32_t local = Local(rank);
  if (local >= std::max(devices, DestinationDevices())) {
    return Status::InvalidArgument(fmt::format(
        "MindSpore's tools look for rank {} of the destination, whose stages have one device each, among the {} devices "
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
      return Status::InvalidArgument(
          fmt::format("no parameter of the source's strategy{} is in the destination's for rank {}; the names do not fit",
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
    return Status::Corruption(fmt::format("the source's strategy has parameters cut over {} devices, and others over {}",
                                          strategy_.devices(), DevicesOf(layout)));
  }
  std::set<std::pair<std::uint32_t, std::uint32_t>> seen;  // stages and names
  for (const SourceFile& file : source_->files()) {
    const std::uint32_t stage = file.rank / strategy_.devices();
    for (const StoredTensor& tensor : file.tensors) {
      const auto parameter = source_->ParameterOf(tensor.name);
      const bool may_be_raw = !parameter || !IsInBoth(OfName(tensor.name)) ||
                              !strategy_.parameters()[*parameter].IsOn(stage);
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

// Of the destination's stages the tools read a name for its first alone; a stage that no name has first reads all.
bool SliceCut::IsReadForStage(const StrategyParameter& in_destination, std::uint32_t rank) const {
  if (way_ != Way::kDestinationStages || options_.complete) return true;
  const std::uint32_t stage = StageOf(rank);
  return !first_stages_.contains(stage) || in_destination.entries.front().stage == stage;
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

const StageCopy* SliceCut::CopyOf(const SourceParameter& parameter, const Reading& reading) const {
  for (const StageCopy& copy : parameter.copies) {
    if (reading.pass.stage ? copy.stage == *reading.pass.stage : reading.meeting.stages.contains(copy.stage)) return &copy;
  }
  return nullptr;
}

// The file that a device's slice is taken from: of the lowest stage that has it; with `complete` any that holds the
// same slice.
const SourceFile* SliceCut::HolderOf(const SourceParameter& parameter, const StageCopy& copy, const Reading& reading,
                                     std::uint32_t device, const SliceGrid& grid) const {
  const std::uint32_t devices = strategy_.devices();
  const auto find = [&](std::uint32_t one) -> const SourceFile* {
    for (const StageCopy& other : parameter.copies) {
      if (other.layout != copy.layout || other.shape != copy.shape || other.stage < copy.stage) continue;
      if (reading.pass.stage && other.stage != copy.stage) continue;
      const std::uint32_t rank = other.stage * devices + one;
      const bool is_read = std::binary_search(reading.needed.begin(), reading.needed.end(), rank);
      if (!is_read && !options_.complete) continue;
      const SourceFile* const file = source_->FileOfRank(rank);
      if (file != nullptr && file->Find(parameter.name) != nullptr) return file;
    }
    return nullptr;
  };
  const SourceFile* const own = find(device % devices);
  if (own != nullptr || !options_.complete) return own;
  const std::uint64_t cell = grid.CellOf(device);
  for (std::uint32_t one = 0; one < devices; ++one) {
    if (grid.CellOf(one) != cell) continue;
    if (const SourceFile* const file = find(one); file != nullptr) return file;
  }
  return nullptr;
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

Status SliceCut::CheckHeld(std::uint32_t rank, const Reading& reading, const SourceParameter& parameter,
                           const StageCopy& copy, const StrategyParameter* in_destination) const {
  SHARDFS_ASSIGN_OR_RETURN(const SliceGrid* const grid, SourceGrid(copy.layout));
  SHARDFS_ASSIGN_OR_RETURN(const GatheredKind* const gathered,
                           GatheredOf(rank, reading, parameter, copy, in_destination));
  if (gathered->are_read && copy.holders == strategy_.devices()) return Status::Ok();
  for (const std::uint32_t device : gathered->devices) {
    if (HolderOf(parameter, copy, reading, device, *grid) != nullptr) continue;
    const std::uint32_t needed = copy.stage * strategy_.devices() + device % strategy_.devices();
    return Status::Corruption(
        fmt::format("rank {} of the destination needs the slice of parameter {} that rank {} of the source holds, and {}{}",
                    rank, QuoteName(source_->NameOf(parameter.name)), needed,
                    source_->FileOfRank(needed) == nullptr ? "that rank has no file" : "its file has none",
                    options_.complete ? ", nor has that of a rank with the same slice"
                                      : "; --complete takes it from another rank that holds it"));
  }
  return Status::Ok();
}

Status SliceCut::AddParameter(std::uint32_t rank, const Reading& reading, std::uint32_t index,
                              RankContent& content) const {
  const SourceParameter& parameter = source_->parameters()[index];
  const std::string_view name = source_->NameOf(parameter.name);
  const StageCopy* const copy = CopyOf(parameter, reading);
  SHARDFS_RETURN_IF_ERROR(parameter.defect);
  const StrategyParameter* const in_destination = OfParameter(index);
  if (in_destination != nullptr && !IsReadForStage(*in_destination, rank)) {
    return Status::Corruption(fmt::format(
        "parameter {} is shared by several stages of the destination, and MindSpore's tools write it for stage {} only: "
        "rank {} would be without it; --complete shows it on every stage",
        QuoteName(name), in_destination->entries.front().stage, rank));
  }
  RankTensor tensor{name, parameter.dtype, parameter.full, index};
  tensor.is_cut = true;
  if (in_destination != nullptr) {
    SHARDFS_ASSIGN_OR_RETURN(const SliceGrid* const grid, grids_.GridFor(*in_destination, rank));
    auto slice = grid->SliceShape(parameter.full);
    if (!slice.ok()) return slice.status().WithContext(fmt::format("parameter {}", QuoteName(name)));
    tensor.shape = std::move(slice).value();
  }
  if (std::find(tensor.shape.begin(), tensor.shape.end(), 0u) != tensor.shape.end() && !options_.complete) {
    return Status::InvalidArgument(fmt::format(
        "parameter {} has no elements, which MindSpore's tools cannot cut; --complete shows it", QuoteName(name)));
  }
  SHARDFS_RETURN_IF_ERROR(CheckHeld(rank, reading, parameter, *copy, in_destination));
  content.tensors.push_back(std::move(tensor));
  return Status::Ok();
}

Status SliceCut::AddParameters(std::uint32_t rank, const Reading& reading, std::unordered_set<std::uint32_t>& taken,
                               RankContent& content) const {
  for (std::uint32_t index = 0; index < source_->parameters().size(); ++index) {
    const SourceParameter& parameter = source_->parameters()[index];
    const StrategyParameter& named = strategy_.parameters()[index];
    if (parameter.copies.empty() || CopyOf(parameter, reading) == nullptr) continue;
    if (reading.pass.stage && !named.IsOn(*reading.pass.stage)) continue;
    const StrategyParameter* const in_destination = OfParameter(index);
    if (!IsInBoth(in_destination) || IsDropped(in_destination, rank)) continue;
    if (!taken.insert(parameter.name).second) continue;
    SHARDFS_RETURN_IF_ERROR(AddParameter(rank, reading, index, content));
  }
  return Status::Ok();
}

bool SliceCut::IsRaw(std::uint32_t name, const Pass& pass) const {
  const auto parameter = source_->ParameterOf(name);
  if (!parameter) return true;
  if (pass.stage && !strategy_.parameters()[*parameter].IsOn(*pass.stage)) return true;
  return !IsInBoth(OfName(name));
}

// How many devices the tools count a rank's number by where they hand on a slice: those of the parameter that they have
// cut last.
std::uint32_t SliceCut::RawDevices(std::uint32_t rank, const Reading& reading) const {
  std::uint32_t devices = strategy_.devices();
  if (devices_agree_) return devices;
  std::unordered_set<std::uint32_t> seen;
  for (auto needed = reading.needed.rbegin(); needed != reading.needed.rend(); ++needed) {
    const SourceFile* const file = source_->FileOfRank(*needed);
    if (file == nullptr) continue;
    for (const StoredTensor& tensor : file->tensors) {
      if (!seen.insert(tensor.name).second || IsRaw(tensor.name, reading.pass)) continue;
      const StrategyParameter& parameter = strategy_.parameters()[*source_->ParameterOf(tensor.name)];
      if (IsDropped(OfName(tensor.name), rank)) continue;
      devices = DevicesOf(strategy_.layouts()[SourceLayout(parameter, reading.pass)]);
    }
  }
  return devices;
}

const SourceFile* SliceCut::RawFile(std::uint32_t name, std::uint32_t stage, std::uint32_t device,
                                    const Reading& reading) const {
  const std::uint32_t devices = strategy_.devices();
  const std::uint32_t own = stage * devices + device;
  const bool is_read = std::binary_search(reading.needed.begin(), reading.needed.end(), own);
  const SourceFile* const file = is_read || options_.complete ? source_->FileOfRank(own) : nullptr;
  if (file != nullptr && file->Find(name) != nullptr) return file;
  if (!options_.complete) return nullptr;
  const auto parameter = source_->ParameterOf(name);
  const SliceGrid* grid = nullptr;
  if (parameter && !source_->parameters()[*parameter].copies.empty()) {
    const auto& found = source_->GridOf(source_->parameters()[*parameter].copies.front().layout, options_.placement);
    if (found.ok()) grid = &*found;
  }
  for (std::uint32_t one = 0; one < devices; ++one) {
    if (grid != nullptr && grid->CellOf(one) != grid->CellOf(device)) continue;
    const SourceFile* const other = source_->FileOfRank(stage * devices + one);
    if (other != nullptr && other->Find(name) != nullptr) return other;
  }
  return nullptr;
}

Status SliceCut::AddRaw(std::uint32_t rank, const Reading& reading, std::unordered_set<std::uint32_t>& taken,
                        RankContent& content) const {
  const std::uint32_t device = Local(rank) % RawDevices(rank, reading);
  std::set<std::uint32_t> absent;  // seen in a file that is read, but not in this device's
  for (const std::uint32_t stage : reading.meeting.stages) {
    const auto names = raw_.find(stage);
    if (names == raw_.end()) continue;
    for (const std::uint32_t name : names->second) {
      if (taken.contains(name) || !IsRaw(name, reading.pass)) continue;
      if (IsDropped(OfName(name), rank)) continue;
      const SourceFile* const file = RawFile(name, stage, device, reading);
      if (file == nullptr) {
        absent.insert(name);
        continue;
      }
      taken.insert(name);
      absent.erase(name);
      const StoredTensor& stored = *file->Find(name);
      RankTensor tensor{source_->NameOf(name), stored.dtype, source_->ShapeOf(stored.shape), name};
      tensor.raw = file;
      content.tensors.push_back(std::move(tensor));
    }
  }
  for (const std::uint32_t name : absent) {
    for (const std::uint32_t needed : reading.needed) {
      const SourceFile* const file = source_->FileOfRank(needed);
      if (file == nullptr || file->Find(name) == nullptr) continue;
      return Status::Corruption(fmt::format(
          "tensor {} is handed on as the source has it, and the file of device {} of a stage, from which rank {} would "
          "get it, has none; that of rank {} has{}",
          QuoteName(source_->NameOf(name)), device, rank, needed,
          options_.complete ? "" : "; --complete takes it from another rank that holds it"));
    }
  }
  return Status::Ok();
}

FileMetadata SliceCut::MetadataOf(std::uint32_t rank, const std::vector<Reading>& readings) const {
  if (way_ != Way::kDestinationStages || options_.complete || !first_stages_.contains(StageOf(rank))) {
    return MindsporeMetadata();
  }
  std::vector<const FileMetadata*> metadata;
  for (const Reading& reading : readings) {
    for (auto needed = reading.needed.rbegin(); needed != reading.needed.rend(); ++needed) {
      const SourceFile* const file = source_->FileOfRank(*needed);
      if (file != nullptr) metadata.push_back(&file->metadata);
    }
  }
  return InheritMetadata(metadata);
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

Result<RankContent> SliceCut::ContentOf(std::uint32_t rank) const {
  RankContent content;
  SHARDFS_ASSIGN_OR_RETURN(std::vector<Reading> found, ReadingsOf(rank));
  const auto kept = std::make_shared<const std::vector<Reading>>(std::move(found));
  const std::vector<Reading>& readings = *kept;
  content.context = kept;
  content.sources = SourcesFor(readings);
  std::unordered_set<std::uint32_t> taken;
  for (const Reading& reading : readings) {
    SHARDFS_RETURN_IF_ERROR(CheckNeeded(rank, reading));
    SHARDFS_RETURN_IF_ERROR(AddParameters(rank, reading, taken, content));
    SHARDFS_RETURN_IF_ERROR(AddRaw(rank, reading, taken, content));
  }
  content.has_file = !content.tensors.empty() || way_ == Way::kSourceStages;
  if (!content.tensors.empty()) content.metadata = MetadataOf(rank, readings);
  return content;
}

// Pass by pass; in each those that are re-sharded before those that are passed on, and these as the names are first met
// in the files that are read, those of the highest rank first. (spec/mindspore-ckpt.md, section 5)
void SliceCut::OrderAsWritten(RankContent& content) const {
  const auto& readings = *static_cast<const std::vector<Reading>*>(content.context.get());
  struct Met {
    std::size_t pass;
    std::size_t place;
  };
  std::unordered_map<std::uint32_t, Met> met;
  for (std::size_t pass = 0; pass < readings.size(); ++pass) {
    const std::vector<std::uint32_t>& needed = readings[pass].needed;
    for (auto rank = needed.rbegin(); rank != needed.rend(); ++rank) {
      const SourceFile* const file = source_->FileOfRank(*rank);
      if (file == nullptr) continue;
      for (const StoredTensor& tensor : file->tensors) met.try_emplace(tensor.name, Met{pass, met.size()});
    }
  }
  const auto key = [&](const RankTensor& tensor) {
    const bool is_raw = tensor.raw != nullptr;
    const auto found = met.find(is_raw ? tensor.index : source_->parameters()[tensor.index].name);
    const Met place = found == met.end() ? Met{readings.size(), 0} : found->second;
    return std::tuple(place.pass, is_raw, place.place);
  };
  std::stable_sort(content.tensors.begin(), content.tensors.end(),
                   [&](const RankTensor& a, const RankTensor& b) { return key(a) < key(b); });
}

Result<TensorPtr> SliceCut::Build(std::uint32_t rank, const RankContent& content, const RankTensor& tensor) const {
  if (tensor.raw != nullptr) return source_->Build(*tensor.raw, *tensor.raw->Find(tensor.index));
  const SourceParameter& parameter = source_->parameters()[tensor.index];
  const StrategyParameter* const in_destination = OfParameter(tensor.index);
  const auto& readings = *static_cast<const std::vector<Reading>*>(content.context.get());
  const StageCopy* copy = nullptr;
  const Reading* reading = nullptr;
  for (const Reading& one : readings) {
    if (one.pass.stage && !strategy_.parameters()[tensor.index].IsOn(*one.pass.stage)) continue;
    copy = CopyOf(parameter, one);
    reading = &one;
    if (copy != nullptr) break;
  }
  SHARDFS_ASSIGN_OR_RETURN(const SliceGrid* const grid, SourceGrid(copy->layout));
  Box box = WholeBox(parameter.full);
  if (in_destination != nullptr) {
    SHARDFS_ASSIGN_OR_RETURN(const SliceGrid* const to, grids_.GridFor(*in_destination, rank));
    box = to->BoxOf(to->CellOf(rank % DestinationDevices()), parameter.full);
  }
  SHARDFS_ASSIGN_OR_RETURN(const GatheredKind* const gathered,
                           GatheredOf(rank, *reading, parameter, *copy, in_destination));
  std::map<std::uint64_t, std::uint32_t> device_of;
  for (const std::uint32_t device : gathered->devices) device_of.emplace(grid->CellOf(device), device);
  return AssembleBox(*grid, parameter.full, box, [&](std::uint64_t cell) -> Result<TensorPtr> {
    const auto device = device_of.find(cell);
    const SourceFile* const file =
        device == device_of.end() ? nullptr : HolderOf(parameter, *copy, *reading, device->second, *grid);
    if (file != nullptr) return source_->Build(*file, *file->Find(parameter.name));
    return Status::Corruption(fmt::format("a slice of parameter {} is missing", QuoteName(tensor.name)));
  });
}

Result<std::vector<std::uint32_t>> SliceCut::NeededOfAll() const {
  std::set<std::uint32_t> all;
  for (std::uint32_t rank = 0; rank < DestinationRanks(); ++rank) {
    SHARDFS_ASSIGN_OR_RETURN(const std::vector<Reading> readings, ReadingsOf(rank));
    for (const Reading& reading : readings) all.insert(reading.needed.begin(), reading.needed.end());
  }
  return std::vector<std::uint32_t>(all.begin(), all.end());
}

void SliceCut::Describe(SliceCutAccount& account) const {
  std::set<std::uint32_t> slices;
  for (const auto& [stage, names] : raw_) {
    for (const std::uint32_t name : names) {
      if (source_->ParameterOf(name)) slices.insert(name);
    }
  }
  for (const std::uint32_t name : slices) account.raw.emplace_back(source_->NameOf(name));
}

}  // namespace

Result<RankCutPtr> MakeSliceCut(MindsporeSourcePtr source, StrategyPtr destination, const WholeCutOptions& options,
                                SliceCutAccount* account) {
  auto cut = std::make_shared<SliceCut>(source, destination, options);
  SHARDFS_RETURN_IF_ERROR(cut->Prepare());
  if (options.complete) {
    SHARDFS_ASSIGN_OR_RETURN(const std::vector<std::uint32_t> needed, cut->NeededOfAll());
    if (!source->CheckSteps(needed).ok()) {
      std::string told;
      SHARDFS_ASSIGN_OR_RETURN(const MindsporeSourcePtr of_step, source->AtCommonStep(needed, &told));
      account->warnings.push_back(std::move(told));
      cut = std::make_shared<SliceCut>(of_step, std::move(destination), options);
      SHARDFS_RETURN_IF_ERROR(cut->Prepare());
    }
  }
  cut->Describe(*account);
  return RankCutPtr(std::move(cut));
}

}  // namespace shardfs
