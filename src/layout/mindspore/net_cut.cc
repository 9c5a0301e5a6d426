// Each name of the network has its tensor in the source, or is skipped; what a unified directory has in
// hyper_param.safetensors is added as it is, over what was there.
#include "layout/mindspore/net_cut.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/quote_name.h"

namespace shardfs {
namespace {

// A tensor of the network, and where the source has it.
struct NetTensor {
  std::string name;
  const StrategyParameter* parameter = nullptr;  // null: each rank has it whole
  const SourceFile* file = nullptr;              // of a unified directory
  std::uint32_t index = 0;                       // of the stored name in the source, or of the tensor in the checkpoint
  bool is_int4 = false;
};

class NetCut final : public RankCut {
 public:
  NetCut(CheckpointPtr checkpoint, StrategyPtr destination, const WholeCutOptions& options)
      : checkpoint_(std::move(checkpoint)),
        source_(std::dynamic_pointer_cast<const MindsporeSource>(checkpoint_->parts())),
        grids_(std::move(destination), options.placement),
        options_(options),
        sources_(SourcesOf(*checkpoint_)) {}

  Status Prepare(const std::map<std::string, std::string>& name_map) {
    SHARDFS_RETURN_IF_ERROR(CheckAllBuild(*checkpoint_));
    SHARDFS_RETURN_IF_ERROR(IsUnified() ? FindInFiles(name_map) : FindInCheckpoint(name_map));
    if (tensors_.empty()) {
      return Status::InvalidArgument(fmt::format(
          "none of the network's names is in the source{}; the names do not fit, as --name-map can say",
          Destination() == nullptr ? std::string()
                                   : fmt::format(", {} first", QuoteName(Destination()->parameters().front().name))));
    }
    AddHyperParameters();
    return Status::Ok();
  }

  void Account(NetCutResult& result) const;

  Result<RankContent> ContentOf(std::uint32_t rank) const override;

  Result<TensorPtr> Build(std::uint32_t rank, const RankContent& /*content*/, const RankTensor& tensor) const override {
    TensorPtr whole;
    if (tensor.raw != nullptr) {
      SHARDFS_ASSIGN_OR_RETURN(whole, source_->Build(*tensor.raw, *tensor.raw->Find(tensor.index)));
    } else {
      SHARDFS_ASSIGN_OR_RETURN(whole, checkpoint_->tensors().Build(tensor.index));
    }
    if (!tensor.is_cut) return whole;
    SHARDFS_ASSIGN_OR_RETURN(const SliceGrid* const grid, grids_.GridFor(*Destination()->Find(tensor.name), rank));
    return CutTensor(std::move(whole), *grid, LocalRank(*Destination(), rank));
  }

 private:
  const Strategy* Destination() const { return grids_.strategy().get(); }
  bool IsUnified() const { return source_ != nullptr && source_->kind() == MindsporeSource::Kind::kUnified; }

  // The names of the network: those of the strategy, or `all`.
  template <typename Names, typename Visit>
  Status VisitNames(const Names& all, const Visit& visit) const {
    if (Destination() != nullptr) {
      for (const StrategyParameter& parameter : Destination()->parameters()) {
        SHARDFS_RETURN_IF_ERROR(visit(parameter.name, &parameter));
      }
      return Status::Ok();
    }
    for (const auto& name : all) SHARDFS_RETURN_IF_ERROR(visit(std::string(name), nullptr));
    return Status::Ok();
  }

  static std::string StoredName(const std::map<std::string, std::string>& name_map, const std::string& name) {
    const auto mapped = name_map.find(name);
    return mapped == name_map.end() ? name : mapped->second;
  }

  Status FindInFiles(const std::map<std::string, std::string>& name_map) {
    std::unordered_map<std::string_view, std::uint32_t> file_of;
    std::vector<std::string_view> names;
    for (const auto& [name, file] : source_->weight_map()) {
      file_of.emplace(name, file);
      names.push_back(name);
    }
    return VisitNames(names, [&](const std::string& name, const StrategyParameter* parameter) {
      const auto place = file_of.find(name);
      if (place == file_of.end()) return Status::Ok();
      const SourceFile& file = source_->files()[place->second];
      const auto stored = source_->FindName(StoredName(name_map, name));
      if (!stored || file.Find(*stored) == nullptr) return Status::Ok();
      return Take({name, parameter, &file, *stored}, &file.metadata);
    });
  }

  // The names of one file are translated back before a name is looked for, so a stored name that is mapped counts under
  // the network's name alone.
  Status FindInCheckpoint(const std::map<std::string, std::string>& name_map) {
    std::unordered_map<std::string_view, std::string_view> network_name;
    for (const auto& [name, stored] : name_map) network_name.insert_or_assign(stored, name);
    std::unordered_set<std::string_view> present;
    std::vector<std::string_view> names;
    for (const TensorSpec& spec : checkpoint_->tensors().specs()) {
      const auto mapped = network_name.find(spec.name);
      const std::string_view name = mapped == network_name.end() ? spec.name : mapped->second;
      if (present.insert(name).second) names.push_back(name);
    }
    const FileMetadata* const metadata =
        source_ != nullptr && source_->file_count() == 1 ? &source_->MetadataOf(0) : nullptr;
    return VisitNames(names, [&](const std::string& name, const StrategyParameter* parameter) {
      const auto stored = checkpoint_->tensors().Find(StoredName(name_map, name));
      if (!present.contains(name) || !stored) return Status::Ok();
      return Take({name, parameter, nullptr, *stored}, metadata);
    });
  }

  Status Take(NetTensor tensor, const FileMetadata* metadata) {
    if (metadata != nullptr) {
      const auto mark = std::find_if(metadata->begin(), metadata->end(),
                                     [&](const auto& entry) { return entry.first == tensor.name; });
      tensor.is_int4 = mark != metadata->end();
      if (tensor.is_int4 && mark->second != "Int4") {
        return Status::Corruption(
            fmt::format("the metadata of the source say {} of parameter {}, and only Int4 is known",
                        QuoteName(mark->second), QuoteName(tensor.name)));
      }
    }
    names_.emplace(tensor.name, tensors_.size());
    tensors_.push_back(std::move(tensor));
    return Status::Ok();
  }

  void AddHyperParameters() {
    if (IsUnified() && source_->hyper_file()) {
      const SourceFile& file = source_->files()[*source_->hyper_file()];
      for (const StoredTensor& tensor : file.tensors)
        hyper_.push_back({std::string(source_->NameOf(tensor.name)), nullptr, &file, tensor.name});
    }
    if (source_ == nullptr || source_->kind() != MindsporeSource::Kind::kRanks || source_->strategy() == nullptr)
      return;
    for (std::uint32_t name = 0; name < source_->names(); ++name) {
      const auto index = checkpoint_->tensors().Find(source_->NameOf(name));
      if (!source_->ParameterOf(name) && index)
        hyper_.push_back({std::string(source_->NameOf(name)), nullptr, nullptr, *index});
    }
  }

  RankTensor Describe(const NetTensor& tensor) const {
    if (tensor.file == nullptr) {
      const TensorSpec& spec = checkpoint_->tensors().specs()[tensor.index];
      return {tensor.name, spec.dtype, spec.shape, tensor.index};
    }
    const StoredTensor& stored = *tensor.file->Find(tensor.index);
    RankTensor described{tensor.name, stored.dtype, source_->ShapeOf(stored.shape), tensor.index};
    described.raw = tensor.file;
    return described;
  }

  const CheckpointPtr checkpoint_;
  const MindsporeSourcePtr source_;  // null where the checkpoint has another source
  const StrategyGrids grids_;
  const WholeCutOptions options_;
  const FileSources sources_;
  std::vector<NetTensor> tensors_;
  std::vector<NetTensor> hyper_;
  std::unordered_map<std::string, std::size_t> names_;  // of tensors_
};

Result<RankContent> NetCut::ContentOf(std::uint32_t rank) const {
  RankContent content;
  content.sources = sources_;
  std::unordered_map<std::string_view, std::size_t> places;
  std::map<std::string, std::string> metadata = {{"format", "ms"}};
  for (const NetTensor& tensor : tensors_) {
    RankTensor described = Describe(tensor);
    if (tensor.parameter != nullptr) {
      if (!tensor.parameter->IsOn(rank / Destination()->devices())) continue;
      SHARDFS_ASSIGN_OR_RETURN(const SliceGrid* const grid, grids_.GridFor(*tensor.parameter, rank));
      auto slice = grid->SliceShape(described.shape);
      if (!slice.ok()) return slice.status().WithContext(fmt::format("parameter {}", QuoteName(tensor.name)));
      described.shape = std::move(slice).value();
      described.is_cut = true;
      const bool is_empty = std::find(described.shape.begin(), described.shape.end(), 0u) != described.shape.end();
      if (is_empty && !options_.complete) {
        return Status::InvalidArgument(
            fmt::format("parameter {} has no elements, which MindSpore's tools cannot cut; --complete shows it",
                        QuoteName(tensor.name)));
      }
    }
    if (tensor.is_int4) metadata.emplace(tensor.name, "Int4");
    places.emplace(tensor.name, content.tensors.size());
    content.tensors.push_back(std::move(described));
  }
  for (const NetTensor& tensor : hyper_) {
    const auto place = places.find(tensor.name);
    if (place == places.end()) {
      content.tensors.push_back(Describe(tensor));
    } else if (!options_.complete && IsUnified()) {
      content.tensors[place->second] = Describe(tensor);
    }
  }
  if (!content.tensors.empty()) content.metadata.assign(metadata.begin(), metadata.end());
  return content;
}

void NetCut::Account(NetCutResult& result) const {
  std::unordered_set<std::string_view> used;
  std::string_view overwritten;
  std::size_t count = 0;
  for (const NetTensor& tensor : hyper_) {
    used.insert(tensor.name);
    if (!IsUnified() || !names_.contains(tensor.name)) continue;
    if (count++ == 0) overwritten = tensor.name;
  }
  if (count > 0 && !options_.complete) {
    result.warnings.push_back(
        fmt::format("hyper_param.safetensors holds {} of the network's parameters too, {} first, and what it holds is "
                    "shown uncut, as "
                    "MindSpore's tools do; --complete shows the cut parameters",
                    count, QuoteName(overwritten)));
  }
  for (const NetTensor& tensor : tensors_) {
    used.insert(tensor.file == nullptr ? checkpoint_->tensors().specs()[tensor.index].name
                                       : source_->NameOf(tensor.index));
  }
  for (const TensorSpec& spec : checkpoint_->tensors().specs()) {
    if (used.contains(spec.name)) continue;
    result.ignored.push_back({std::string(spec.name), "the network has no parameter of that name", BytesOf(spec)});
  }
}

}  // namespace

Result<NetCutResult> MakeNetCut(CheckpointPtr checkpoint, StrategyPtr destination,
                                const std::map<std::string, std::string>& name_map, const WholeCutOptions& options) {
  auto cut = std::make_shared<NetCut>(std::move(checkpoint), std::move(destination), options);
  SHARDFS_RETURN_IF_ERROR(cut->Prepare(name_map));
  NetCutResult result;
  cut->Account(result);
  result.cut = std::move(cut);
  return result;
}

}  // namespace shardfs
