// Which tensors are shown, in which order, and in which files. files=split packs them anew in the order asked for;
// files=source keeps each tensor in the file that it came from, and the file's own header where no more than bytes of
// tensors have changed. Most output tensors are one run of the source, so a file is a header and a list of runs.
#include "layout/huggingface/huggingface_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <set>

#include "base/natural_order.h"
#include "base/parallel.h"
#include "base/quote_name.h"
#include "checkpoint/kept_headers.h"
#include "layout/huggingface/huggingface_options.h"
#include "source/own_files.h"
#include "view/file_split.h"
#include "view/headed_file.h"
#include "view/index_json.h"

namespace shardfs {
namespace {

bool IsWeightsFile(std::string_view name) { return name.ends_with(".safetensors") && !name.starts_with('.'); }

class ViewBuilder {
 public:
  ViewBuilder(const CheckpointPtr& checkpoint, const HuggingfaceOptions& options)
      : checkpoint_(checkpoint), options_(options), dict_(checkpoint->tensors()) {}

  Result<View> Build() {
    SHARDFS_RETURN_IF_ERROR(CheckIndex());
    if (!options_.keep_files) {
      SHARDFS_RETURN_IF_ERROR(AddSplitFiles());
    } else if (KeepsHeaders(*checkpoint_)) {
      SHARDFS_RETURN_IF_ERROR(AddFilesWithTheirHeaders());
    } else {
      SHARDFS_RETURN_IF_ERROR(AddSourceFiles());
    }
    SHARDFS_RETURN_IF_ERROR(AddCompanions());
    view_.summary = Summary();
    view_.options = options_.InForce();
    view_.ignored.insert(view_.ignored.end(), checkpoint_->ignored().begin(), checkpoint_->ignored().end());
    view_.tree = std::move(tree_).Build();
    return std::move(view_);
  }

 private:
  const CheckedIndex* Index() const {
    for (const CheckedIndex& index : checkpoint_->indices()) {
      if (index.name == kIndexName) return &index;
    }
    return nullptr;
  }

  // Loaders go by the index, so one that is not true would make them fail or read other tensors.
  Status CheckIndex() {
    const CheckedIndex* const index = Index();
    if (index == nullptr) return Status::Ok();
    std::vector<IndexDefect> untrue;
    std::vector<IndexDefect> unmapped;
    for (const IndexDefect& defect : index->defects) {
      const bool is_only_silent = defect.kind == IndexDefect::Kind::kNotMapped;
      (is_only_silent ? unmapped : untrue).push_back(defect);
    }
    if (!untrue.empty()) {
      return Status::Corruption(fmt::format("{} {}; the huggingface layout needs a true index: correct or remove it",
                                            QuoteName(index->name), DescribeIndexDefects(untrue)));
    }
    std::erase_if(unmapped, [&](const IndexDefect& defect) { return !index->Names(defect.file); });
    if (!unmapped.empty()) {
      view_.warnings.push_back(
          fmt::format("{} {}; they are shown all the same", QuoteName(index->name), DescribeIndexDefects(unmapped)));
    }
    return Status::Ok();
  }

  // Indices of the tensors to show, in the order asked for.
  std::vector<std::uint32_t> ShownTensors() {
    const CheckedIndex* const index = Index();
    std::vector<std::uint32_t> shown;
    for (std::uint32_t i = 0; i < dict_.specs().size(); ++i) {
      if (index == nullptr || index->Names(dict_.Origin(i))) {
        shown.push_back(i);
      } else {
        view_.ignored.push_back({std::string(dict_.specs()[i].name), "its file is not named in the index",
                                 BytesOf(dict_.specs()[i])});
      }
    }
    const auto by_index = checkpoint_->index_order();
    if (options_.order == HuggingfaceOptions::Order::kIndex && by_index.size() == shown.size()) {
      shown.assign(by_index.begin(), by_index.end());
    } else if (options_.order == HuggingfaceOptions::Order::kNatural) {
      std::stable_sort(shown.begin(), shown.end(), [this](std::uint32_t a, std::uint32_t b) {
        return NaturallyBefore(dict_.specs()[a].name, dict_.specs()[b].name);
      });
    }
    return shown;
  }

  Status AddFile(const std::string& name, std::unique_ptr<const VirtualFile> file) {
    ++files_;
    return tree_.AddFile(name, RankSet::All(1), std::move(file));
  }

  Result<std::unique_ptr<const VirtualFile>> BuildTensorFile(std::span<const std::uint32_t> tensors) const {
    std::vector<PlannedTensor> planned;
    planned.reserve(tensors.size());
    for (const std::uint32_t i : tensors) {
      SHARDFS_ASSIGN_OR_RETURN(const TensorPtr tensor, dict_.Build(i));
      SHARDFS_ASSIGN_OR_RETURN(PlannedTensor one, PlanTensor(std::string(dict_.specs()[i].name), tensor));
      planned.push_back(std::move(one));
    }
    const FileMetadata metadata = options_.has_metadata ? FileMetadata{{"format", "pt"}} : FileMetadata{};
    return MakePlannedFile(std::move(planned), checkpoint_, metadata);
  }

  // Adds files by their names and the tensors of each, built in parallel.
  Status AddTensorFiles(const std::vector<std::pair<std::string, std::vector<std::uint32_t>>>& files) {
    std::vector<std::unique_ptr<const VirtualFile>> built(files.size());
    std::vector<Status> statuses(files.size());
    ParallelFor(files.size(), [&](std::size_t i) {
      auto file = BuildTensorFile(files[i].second);
      statuses[i] = file.status();
      if (file.ok()) built[i] = std::move(file).value();
    });
    for (std::size_t i = 0; i < files.size(); ++i) {
      SHARDFS_RETURN_IF_ERROR(statuses[i]);
      SHARDFS_RETURN_IF_ERROR(AddFile(files[i].first, std::move(built[i])));
    }
    return Status::Ok();
  }

  Status AddSplitFiles() {
    const std::vector<std::uint32_t> shown = ShownTensors();
    if (shown.empty()) return Status::InvalidArgument("no tensor is left to show");
    std::vector<std::uint64_t> sizes;
    for (const std::uint32_t i : shown) sizes.push_back(BytesOf(dict_.specs()[i]));
    const auto shards = PackShards(sizes, options_.max_shard_bytes);
    std::vector<std::pair<std::string, std::vector<std::uint32_t>>> files;
    for (std::size_t s = 0; s < shards.size(); ++s) {
      std::vector<std::uint32_t> tensors;
      for (const std::size_t at : shards[s]) tensors.push_back(shown[at]);
      files.emplace_back(ShardFileName(s, shards.size()), std::move(tensors));
    }
    SHARDFS_RETURN_IF_ERROR(AddTensorFiles(files));
    if (shards.size() == 1) return Status::Ok();
    WeightMap weight_map;
    for (const auto& [name, tensors] : files) {
      for (const std::uint32_t i : tensors) weight_map.emplace_back(dict_.specs()[i].name, name);
    }
    const std::uint64_t total = std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{0});
    return AddFile(kIndexName, MakeGeneratedFile(IndexJson(total, std::move(weight_map), options_.index)));
  }

  // Files of which no tensor has changed are shown as they are.
  Status AddFilesWithTheirHeaders() {
    std::set<std::string_view> changed;
    for (std::uint32_t i = 0; i < dict_.specs().size(); ++i) {
      if (!dict_.SpanOf(i)) changed.insert(dict_.Origin(i));
    }
    for (const auto& file : checkpoint_->sources().files()) {
      if (!IsOfSource(checkpoint_->sources(), file->name())) continue;
      SHARDFS_RETURN_IF_ERROR(changed.contains(file->name()) ? AddChangedFile(*file) : AddFromSource(file->name()));
    }
    for (const CheckedIndex& index : checkpoint_->indices()) SHARDFS_RETURN_IF_ERROR(AddFromSource(index.name));
    return Status::Ok();
  }

  Status AddChangedFile(const FileSource& file) {
    std::array<std::byte, 8> first;
    SHARDFS_RETURN_IF_ERROR(file.ReadAt(0, first));
    SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t extent, HeaderExtent(first, file.size()));
    std::vector<std::byte> bytes(extent);
    SHARDFS_RETURN_IF_ERROR(file.ReadAt(0, bytes));
    SHARDFS_ASSIGN_OR_RETURN(const Header header, ParseHeader(bytes, file.size(), file.name()));
    std::vector<PlannedTensor> planned;
    planned.reserve(header.tensors.size());
    for (const HeaderTensor& tensor : header.tensors) {
      const auto index = dict_.Find(tensor.name);
      if (!index || dict_.Origin(*index) != file.name()) {
        return Status::SourceChanged(fmt::format("the header of {} has changed", QuoteName(file.name())));
      }
      SHARDFS_ASSIGN_OR_RETURN(const TensorPtr built, dict_.Build(*index));
      SHARDFS_ASSIGN_OR_RETURN(PlannedTensor one, PlanTensor(tensor.name, built));
      planned.push_back(std::move(one));
    }
    ReadPlanBuilder header_plan;
    header_plan.AppendCopy(&file, 0, extent);
    return AddFile(file.name(), MakeHeadedFile(std::move(header_plan).Build(), std::move(planned), checkpoint_));
  }

  Status AddSourceFiles() {
    std::map<std::string, std::vector<std::uint32_t>> files;
    for (std::uint32_t i = 0; i < dict_.specs().size(); ++i) files[std::string(dict_.Origin(i))].push_back(i);
    for (const std::string& name : checkpoint_->empty_files()) files[name];
    SHARDFS_RETURN_IF_ERROR(AddTensorFiles({files.begin(), files.end()}));
    if (Index() == nullptr) return Status::Ok();
    WeightMap weight_map;
    auto dangling = checkpoint_->dangling();  // what is left of them
    const auto add_dangling = [&weight_map, &dangling] {
      for (; !dangling.empty() && dangling.front().position == weight_map.size(); dangling = dangling.subspan(1)) {
        weight_map.emplace_back(dangling.front().tensor, dangling.front().file);
      }
    };
    for (const std::uint32_t i : checkpoint_->index_order()) {
      add_dangling();
      weight_map.emplace_back(dict_.specs()[i].name, dict_.Origin(i));
    }
    add_dangling();
    return AddFile(kIndexName, MakeGeneratedFile(SourceIndexJson(weight_map)));
  }

  Status AddFromSource(const std::string& name) {
    SHARDFS_ASSIGN_OR_RETURN(auto source, checkpoint_->sources().OpenFile(name));
    return AddFile(name, MakePassthroughFile(std::move(source)));
  }

  Status AddCompanions() {
    for (const CompanionFile& file : checkpoint_->files()) {
      if (file.name.starts_with(kReservedPrefix) || !file.is_regular || IsWeightsFile(file.name)) continue;
      if (file.text == nullptr) {
        SHARDFS_RETURN_IF_ERROR(AddFromSource(file.name));
      } else {
        SHARDFS_RETURN_IF_ERROR(AddFile(file.name, MakeGeneratedFile(*file.text)));
      }
    }
    return Status::Ok();
  }

  std::string Summary() const {
    const auto config = checkpoint_->config();
    const JsonValue* const type = config.ok() ? (*config)->Find("model_type") : nullptr;
    const std::string model = type != nullptr && type->is_string() ? " of " + type->text() : "";
    return fmt::format("huggingface layout{}: {} tensors, {} files{}", model, dict_.specs().size(), files_,
                       options_.keep_files ? " of the source" : "");
  }

  const CheckpointPtr& checkpoint_;
  const HuggingfaceOptions& options_;
  const StateDict& dict_;
  VirtualTreeBuilder tree_;
  std::size_t files_ = 0;
  View view_;
};

}  // namespace

std::span<const OptionSpec> HuggingfaceLayout::options() const { return HuggingfaceOptions::Specs(); }

Result<View> HuggingfaceLayout::Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                                      const ViewContext& /*context*/) const {
  SHARDFS_ASSIGN_OR_RETURN(const HuggingfaceOptions options, HuggingfaceOptions::Parse(values, *checkpoint));
  return ViewBuilder(checkpoint, options).Build();
}

}  // namespace shardfs
