// Each tensor of the source gets its name in DeepSeek's model, and with it the axis that ranks split, the expert that
// one rank holds, or neither. All checks run on the whole list before any rank's file is built; the files of the ranks
// are built in parallel.
#include "layout/deepseek_mp/deepseek_mp_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <unordered_map>

#include "base/parallel.h"
#include "base/quote_name.h"
#include "layout/deepseek_mp/mp_names.h"

namespace shardfs {
namespace {

constexpr std::array<OptionSpec, 2> kOptions = {{
    {.name = "mp",
     .kind = OptionKind::kCount,
     .value = "N",
     .summary = "Ranks that split the model",
     .fallback = "",
     .alias = "model_parallel"},
    {"n_experts", OptionKind::kCount, "E", "Routed experts of a layer", "n_routed_experts of config.json"},
}};
constexpr const OptionSpec& kMp = kOptions[0];
constexpr const OptionSpec& kExperts = kOptions[1];

constexpr std::uint64_t kMtpLayer = 61;
constexpr std::uint64_t kScaleBlock = 128;

struct PlacedTensor {
  std::uint32_t index = 0;  // in the source's state dict
  MpTensor place;
};

class ViewBuilder {
 public:
  ViewBuilder(const CheckpointPtr& checkpoint, std::uint32_t ranks) : checkpoint_(checkpoint), ranks_(ranks) {}

  Result<View> Build(const OptionValues& values) {
    SHARDFS_ASSIGN_OR_RETURN(experts_, Experts(values));
    if (experts_ % ranks_ != 0) {
      return Status::InvalidArgument(fmt::format("{} experts do not divide by mp {}", experts_, ranks_));
    }
    SHARDFS_RETURN_IF_ERROR(CheckLayers());
    SHARDFS_RETURN_IF_ERROR(PlaceTensors());
    SHARDFS_RETURN_IF_ERROR(CheckExperts());
    for (const PlacedTensor& tensor : tensors_) SHARDFS_RETURN_IF_ERROR(CheckSplit(tensor));
    SHARDFS_RETURN_IF_ERROR(AddRanks());
    SHARDFS_RETURN_IF_ERROR(AddTokenizer());
    view_.world_size = ranks_;
    view_.summary =
        fmt::format("deepseek-mp layout for {} ranks: {} tensors, {} experts", ranks_, tensors_.size(), experts_);
    view_.options = {{"mp", std::to_string(ranks_)}, {"n_experts", std::to_string(experts_)}};
    if (checkpoint_->FindFile("config.json") != nullptr) view_.read_files = {"config.json"};
    view_.ignored.insert(view_.ignored.end(), checkpoint_->ignored().begin(), checkpoint_->ignored().end());
    view_.tree = std::move(tree_).Build();
    return std::move(view_);
  }

 private:
  const TensorSpec& SpecOf(const PlacedTensor& tensor) const { return checkpoint_->tensors().specs()[tensor.index]; }

  std::optional<std::uint64_t> ConfigCount(std::string_view key) const {
    const auto config = checkpoint_->config();
    const JsonValue* const value = config.ok() ? (*config)->Find(key) : nullptr;
    const auto number = value == nullptr ? std::nullopt : value->AsInt64();
    return number && *number >= 0 ? std::optional(static_cast<std::uint64_t>(*number)) : std::nullopt;
  }

  Result<std::uint64_t> Experts(const OptionValues& values) const {
    if (const auto given = values.Count(kExperts)) return *given;
    if (const auto config = checkpoint_->config(); config.status().code() == StatusCode::kCorruption) {
      return config.status();
    }
    if (const auto experts = ConfigCount("n_routed_experts")) return *experts;
    return Status::InvalidArgument("n_experts is not given, and config.json has no n_routed_experts");
  }

  Status CheckLayers() const {
    const auto layers = ConfigCount("num_hidden_layers");
    if (!layers || *layers <= kMtpLayer) return Status::Ok();
    return Status::NotSupported(
        fmt::format("num_hidden_layers is {}, but layer {} is dropped as the MTP layer", *layers, kMtpLayer));
  }

  Status PlaceTensors() {
    const auto specs = checkpoint_->tensors().specs();
    std::unordered_map<std::string, std::uint32_t> sources;
    for (std::uint32_t i = 0; i < specs.size(); ++i) {
      if (IsDroppedAsMtp(specs[i].name)) {
        view_.ignored.push_back({std::string(specs[i].name),
                                 "layer 61 is DeepSeek-V3's MTP layer, which convert.py drops", BytesOf(specs[i])});
        continue;
      }
      SHARDFS_ASSIGN_OR_RETURN(MpTensor place, MpTensorOf(specs[i].name));
      const auto [other, is_new] = sources.emplace(place.name, i);
      if (!is_new) {
        return Status::Corruption(
            fmt::format("{} and {} would both be {}", specs[other->second].name, specs[i].name, place.name));
      }
      tensors_.push_back({i, std::move(place)});
    }
    return tensors_.empty() ? Status::Corruption("no tensor is left") : Status::Ok();
  }

  // Every layer that has experts has each of them: a missing one would leave a hole in a rank's model.
  Status CheckExperts() const {
    std::map<std::string_view, std::set<std::uint64_t>> groups;
    for (const PlacedTensor& tensor : tensors_) {
      if (!tensor.place.expert) continue;
      if (*tensor.place.expert >= experts_) {
        return Status::Corruption(
            fmt::format("{} is expert {} of {}", SpecOf(tensor).name, *tensor.place.expert, experts_));
      }
      groups[tensor.place.expert_group].insert(*tensor.place.expert);
    }
    for (const auto& [group, experts] : groups) {
      if (experts.size() == experts_) continue;
      std::uint64_t missing = 0;
      while (experts.contains(missing)) ++missing;
      return Status::Corruption(fmt::format("{}: expert {} of {} is missing", group, missing, experts_));
    }
    return Status::Ok();
  }

  Status CheckSplit(const PlacedTensor& tensor) const {
    if (!tensor.place.axis || ranks_ == 1) return Status::Ok();
    const TensorSpec& spec = SpecOf(tensor);
    const std::uint64_t axis = *tensor.place.axis;
    const std::string what = fmt::format("{} {}", spec.name, ShapeToString(spec.shape));
    if (axis >= spec.shape.size() || spec.shape[axis] % ranks_ != 0) {
      return Status::InvalidArgument(fmt::format("axis {} of {} does not divide by mp {}", axis, what, ranks_));
    }
    const std::uint64_t share = spec.shape[axis] / ranks_;
    const bool has_scale = spec.name.ends_with(".weight") &&
                           checkpoint_->tensors().Find(std::string(spec.name) + "_scale_inv").has_value();
    if (!has_scale || share % kScaleBlock == 0) return Status::Ok();
    return Status::InvalidArgument(
        fmt::format("{}: a rank's share {} of axis {} cuts a scale block of {}", what, share, axis, kScaleBlock));
  }

  bool Holds(std::uint32_t rank, const PlacedTensor& tensor) const {
    if (!tensor.place.expert) return true;
    const std::uint64_t block = experts_ / ranks_;
    return *tensor.place.expert / block == rank;
  }

  Result<std::unique_ptr<const VirtualFile>> BuildRank(std::uint32_t rank) const {
    std::vector<PlannedTensor> planned;
    for (const PlacedTensor& tensor : tensors_) {
      if (!Holds(rank, tensor)) continue;
      SHARDFS_ASSIGN_OR_RETURN(TensorPtr expression, checkpoint_->tensors().Build(tensor.index));
      if (tensor.place.axis && ranks_ > 1) {
        const std::uint64_t share = expression->shape()[*tensor.place.axis] / ranks_;
        SHARDFS_ASSIGN_OR_RETURN(
            expression, Tensor::Slice(std::move(expression), *tensor.place.axis, rank * share, (rank + 1) * share));
      }
      SHARDFS_ASSIGN_OR_RETURN(PlannedTensor one, PlanTensor(tensor.place.name, expression));
      planned.push_back(std::move(one));
    }
    return MakePlannedFile(std::move(planned), checkpoint_, FileMetadata{});
  }

  Status AddRanks() {
    std::vector<std::unique_ptr<const VirtualFile>> files(ranks_);
    std::vector<Status> outcomes(ranks_);
    ParallelFor(ranks_, [&](std::uint32_t rank) {
      auto file = BuildRank(rank);
      if (file.ok()) files[rank] = std::move(file).value();
      outcomes[rank] = file.status();
    });
    for (std::uint32_t rank = 0; rank < ranks_; ++rank) {
      SHARDFS_RETURN_IF_ERROR(outcomes[rank]);
      RankSet holder;
      holder.Insert(rank);
      SHARDFS_RETURN_IF_ERROR(tree_.AddFile(fmt::format("model{}-mp{}.safetensors", rank, ranks_), std::move(holder),
                                            std::move(files[rank])));
    }
    return Status::Ok();
  }

  Status AddTokenizer() {
    for (const CompanionFile& file : checkpoint_->files()) {
      if (file.name.find("token") == std::string::npos || file.name.starts_with('.')) continue;
      if (!file.is_regular) {
        return Status::Corruption(
            fmt::format("{} matches *token* and is no regular file; move it away", QuoteName(file.name)));
      }
      if (file.text != nullptr) {
        SHARDFS_RETURN_IF_ERROR(tree_.AddFile(file.name, RankSet::All(ranks_), MakeGeneratedFile(*file.text)));
        continue;
      }
      SHARDFS_ASSIGN_OR_RETURN(auto source, checkpoint_->sources().OpenFile(file.name));
      SHARDFS_RETURN_IF_ERROR(tree_.AddFile(file.name, RankSet::All(ranks_), MakePassthroughFile(std::move(source))));
    }
    return Status::Ok();
  }

  const CheckpointPtr& checkpoint_;
  const std::uint32_t ranks_;
  std::uint64_t experts_ = 0;
  std::vector<PlacedTensor> tensors_;
  VirtualTreeBuilder tree_;
  View view_;
};

}  // namespace

std::span<const OptionSpec> DeepseekMpLayout::options() const { return kOptions; }

Result<View> DeepseekMpLayout::Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                                     const ViewContext& /*context*/) const {
  constexpr std::uint64_t kMostRanks = 16384;
  const auto ranks = values.Count(kMp);
  if (!ranks) return Status::InvalidArgument("the deepseek-mp layout needs the number of ranks; add --mp N");
  if (*ranks > kMostRanks) return Status::InvalidArgument(fmt::format("mp is {}, more than {}", *ranks, kMostRanks));
  return ViewBuilder(checkpoint, static_cast<std::uint32_t>(*ranks)).Build(values);
}

}  // namespace shardfs
