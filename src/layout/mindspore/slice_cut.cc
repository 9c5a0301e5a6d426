// What a rank of the destination holds of the files that it reads: parameters of both strategies are cut anew, and all
// else is handed on as it is. Everything is computed when a rank is asked for, and nothing is kept, as a thousand ranks
// have four million tensors.
#include "layout/mindspore/slice_cut.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "base/quote_name.h"
#include "layout/mindspore/assemble.h"
#include "layout/mindspore/slice_cut_class.h"

namespace shardfs {

// The tools read a name for the first of the destination's stages that has it; a stage that is no name's first reads
// all.
bool SliceCut::IsReadForStage(const StrategyParameter& in_destination, std::uint32_t rank) const {
  if (way_ != Way::kDestinationStages || options_.complete) return true;
  const std::uint32_t stage = StageOf(rank);
  return !first_stages_.contains(stage) || in_destination.entries.front().stage == stage;
}

const StageCopy* SliceCut::CopyOf(const SourceParameter& parameter, const Reading& reading) const {
  for (const StageCopy& copy : parameter.copies) {
    if (reading.pass.stage ? copy.stage == *reading.pass.stage : reading.meeting.stages.contains(copy.stage))
      return &copy;
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

Status SliceCut::CheckHeld(std::uint32_t rank, const Reading& reading, const SourceParameter& parameter,
                           const StageCopy& copy, const StrategyParameter* in_destination) const {
  SHARDFS_ASSIGN_OR_RETURN(const SliceGrid* const grid, SourceGrid(copy.layout));
  SHARDFS_ASSIGN_OR_RETURN(const GatheredKind* const gathered,
                           GatheredOf(rank, reading, parameter, copy, in_destination));
  if (gathered->are_read && copy.holders == strategy_.devices()) return Status::Ok();
  for (const std::uint32_t device : gathered->devices) {
    if (HolderOf(parameter, copy, reading, device, *grid) != nullptr) continue;
    const std::uint32_t needed = copy.stage * strategy_.devices() + device % strategy_.devices();
    return Status::Corruption(fmt::format(
        "rank {} of the destination needs the slice of parameter {} that rank {} of the source holds, and {}{}", rank,
        QuoteName(source_->NameOf(parameter.name)), needed,
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
    return Status::Corruption(
        fmt::format("parameter {} is shared by several stages of the destination, and MindSpore's tools write it for "
                    "stage {} only: "
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

void SliceCut::Describe(SliceCutAccount& account) const {
  std::set<std::uint32_t> slices;
  for (const auto& [stage, names] : raw_) {
    for (const std::uint32_t name : names) {
      if (source_->ParameterOf(name)) slices.insert(name);
    }
  }
  for (const std::uint32_t name : slices) account.raw.emplace_back(source_->NameOf(name));
}

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
