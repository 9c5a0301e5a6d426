// SliceCut as its two source files see it: which source files a rank of the destination reads (slice_readings.cc), and
// what it makes of them (slice_cut.cc). Layouts include slice_cut.h.
//
// Immutable once Prepare has returned; const members from any number of threads.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "layout/mindspore/slice_cut.h"

namespace shardfs {

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
  const SourceFile* RawFile(std::uint32_t name, std::uint32_t stage, std::uint32_t device,
                            const Reading& reading) const;
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

}  // namespace shardfs
