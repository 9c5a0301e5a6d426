// Names and sizes decide the parts; from which rank each slice comes is decided for each parameter. Both are known from
// headers alone and checked before any file is built. A part's plan is made when the part is first read: of a thousand
// ranks each parameter is put together from a thousand slices. Where the checkpoint comes from another reader, or a
// transform has been at it, its whole tensors are stored instead.
#include "layout/mindspore/mindspore_unified_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/parallel.h"
#include "base/quote_name.h"
#include "layout/mindspore/rank_cut.h"
#include "layout/mindspore/unified_contents.h"
#include "layout/mindspore/unified_options.h"
#include "layout/mindspore/unified_slices.h"
#include "view/lazy_tensor_file.h"

namespace shardfs {
namespace {

constexpr char kHyperFile[] = "hyper_param.safetensors";
constexpr char kMapFile[] = "param_name_map.json";

// Where the stored tensors come from.
class Tensors {
 public:
  virtual ~Tensors() = default;
  virtual NewTensor SpecOf(std::uint32_t index) const = 0;  // under the source's name
  virtual Result<TensorPtr> Build(std::uint32_t index) const = 0;
  virtual Status Check(std::uint32_t index) const = 0;
  virtual FileSources Sources() const = 0;
};

class SlicedTensors final : public Tensors {
 public:
  explicit SlicedTensors(UnifiedSlices slices) : slices_(std::move(slices)) {}

  NewTensor SpecOf(std::uint32_t index) const override {
    const SourceParameter& parameter = Parameter(index);
    return {std::string(slices_.source()->NameOf(parameter.name)), parameter.dtype, parameter.full};
  }
  Result<TensorPtr> Build(std::uint32_t index) const override { return slices_.Build(Parameter(index)); }
  Status Check(std::uint32_t index) const override { return slices_.Check(Parameter(index)); }
  FileSources Sources() const override { return slices_.Sources(); }

 private:
  const SourceParameter& Parameter(std::uint32_t index) const { return slices_.source()->parameters()[index]; }

  UnifiedSlices slices_;
};

class WholeTensors final : public Tensors {
 public:
  explicit WholeTensors(CheckpointPtr checkpoint)
      : checkpoint_(std::move(checkpoint)), dict_(checkpoint_->shared_tensors()) {}

  NewTensor SpecOf(std::uint32_t index) const override {
    const TensorSpec& spec = dict_->specs()[index];
    return {std::string(spec.name), spec.dtype, spec.shape};
  }
  Result<TensorPtr> Build(std::uint32_t index) const override { return dict_->Build(index); }
  Status Check(std::uint32_t /*index*/) const override { return Status::Ok(); }
  FileSources Sources() const override { return SourcesOf(*checkpoint_); }

 private:
  CheckpointPtr checkpoint_;  // keeps the sources
  StateDictPtr dict_;
};

std::string Count(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

class ViewBuilder {
 public:
  ViewBuilder(const CheckpointPtr& checkpoint, const UnifiedOptions& options)
      : checkpoint_(checkpoint), options_(options) {}

  Result<View> Build() {
    const auto source = std::dynamic_pointer_cast<const MindsporeSource>(checkpoint_->parts());
    SHARDFS_RETURN_IF_ERROR(source != nullptr ? TakeRanks(source) : TakeWholeTensors());
    SHARDFS_RETURN_IF_ERROR(CheckTensors());
    std::vector<std::uint64_t> sizes;
    for (const UnifiedTensor& tensor : contents_.stored) sizes.push_back(tensor.size);
    parts_ = PackUnifiedParts(sizes, options_.part_limit);
    const auto [begin, end] = options_.task ? PartsOfTask(parts_.size(), *options_.task)
                                            : std::pair<std::uint64_t, std::uint64_t>(0, parts_.size());
    if (begin == end) {
      return Status::InvalidArgument(fmt::format("split_dst_file: task {} of {} has nothing to do, as there {} alone",
                                                 options_.task->task, options_.task->tasks,
                                                 parts_.size() == 1 ? "is one part" : Count(parts_.size(), "part")));
    }
    for (std::uint64_t part = begin; part < end; ++part) SHARDFS_RETURN_IF_ERROR(AddPart(part));
    if (!options_.task || options_.task->task == 1) SHARDFS_RETURN_IF_ERROR(AddMapAndHyperParameters());
    return Finish();
  }

 private:
  Status TakeRanks(const MindsporeSourcePtr& source) {
    if (source->kind() != MindsporeSource::Kind::kRanks) {
      return Status::InvalidArgument(fmt::format(
          "the mindspore-unified layout puts the ranks' slices together, and {} holds whole tensors{}",
          checkpoint_->path(), source->kind() == MindsporeSource::Kind::kUnified ? ": it is unified already" : ""));
    }
    if (source->strategy() == nullptr) {
      return Status::InvalidArgument(
          "the mindspore-unified layout needs the strategy by which the ranks were saved; give --src-strategy");
    }
    SHARDFS_ASSIGN_OR_RETURN(UnifiedSlices slices,
                             UnifiedSlices::Create(source, {options_.placement, options_.complete}));
    if (!slices.told().empty()) view_.warnings.push_back(slices.told());
    source_ = slices.source();
    SHARDFS_ASSIGN_OR_RETURN(contents_, CollectUnified(*source_, options_));
    part_metadata_ = slices.PartMetadata();
    tensors_ = std::make_shared<const SlicedTensors>(std::move(slices));
    return Status::Ok();
  }

  Status TakeWholeTensors() {
    SHARDFS_ASSIGN_OR_RETURN(contents_, CollectUnified(checkpoint_->tensors(), options_));
    part_metadata_ = MindsporeMetadata();
    tensors_ = std::make_shared<const WholeTensors>(checkpoint_);
    return Status::Ok();
  }

  // Before any file is built: a parameter that lacks a slice shows at once.
  Status CheckTensors() {
    sources_ = tensors_->Sources();
    std::vector<Status> outcomes(contents_.stored.size());
    ParallelFor(contents_.stored.size(),
                [&](std::size_t i) { outcomes[i] = tensors_->Check(contents_.stored[i].parameter); });
    for (const Status& outcome : outcomes) SHARDFS_RETURN_IF_ERROR(outcome);
    return Status::Ok();
  }

  Status AddPart(std::uint64_t number) {
    std::vector<UnifiedTensor> stored;
    std::vector<NewTensor> entries;
    for (const std::size_t i : parts_[number]) {
      stored.push_back(contents_.stored[i]);
      entries.push_back(tensors_->SpecOf(stored.back().parameter));
      SHARDFS_RETURN_IF_ERROR(CheckMindsporeDtype(entries.back().name, entries.back().dtype));
      entries.back().name = stored.back().name;
    }
    auto make = [stored = std::move(stored), tensors = tensors_,
                 metadata = part_metadata_]() -> Result<std::unique_ptr<const VirtualFile>> {
      std::vector<PlannedTensor> planned;
      planned.reserve(stored.size());
      for (const UnifiedTensor& tensor : stored) {
        SHARDFS_ASSIGN_OR_RETURN(const TensorPtr expression, tensors->Build(tensor.parameter));
        SHARDFS_ASSIGN_OR_RETURN(PlannedTensor one, PlanTensor(tensor.name, expression));
        planned.push_back(std::move(one));
      }
      return MakePlannedFile(std::move(planned), tensors, metadata);
    };
    SHARDFS_ASSIGN_OR_RETURN(auto file, MakeLazyTensorFile(entries, part_metadata_, sources_, std::move(make)));
    return tree_.AddFile(UnifiedPartName(number), RankSet::All(1), std::move(file));
  }

  Status AddMapAndHyperParameters() {
    std::vector<std::pair<std::string, std::string>> map;
    for (std::size_t part = 0; part < parts_.size(); ++part) {
      for (const std::size_t i : parts_[part]) map.emplace_back(contents_.stored[i].name, UnifiedPartName(part));
    }
    SHARDFS_RETURN_IF_ERROR(
        tree_.AddFile(kMapFile, RankSet::All(1), MakeGeneratedFile(ParamNameMapJson(contents_.total_size, map))));
    if (contents_.hyper.empty()) return Status::Ok();
    std::vector<PlannedTensor> planned;
    for (const UnifiedHyperTensor& hyper : contents_.hyper) {
      const SourceFile& file = source_->files()[hyper.file];
      const StoredTensor& stored = file.tensors[hyper.tensor];
      SHARDFS_ASSIGN_OR_RETURN(const TensorPtr tensor, source_->Build(file, stored));
      SHARDFS_ASSIGN_OR_RETURN(PlannedTensor one, PlanTensor(std::string(source_->NameOf(stored.name)), tensor));
      planned.push_back(std::move(one));
    }
    SHARDFS_ASSIGN_OR_RETURN(auto file, MakePlannedFile(std::move(planned), source_, MindsporeMetadata()));
    return tree_.AddFile(kHyperFile, RankSet::All(1), std::move(file));
  }

  Result<View> Finish() {
    view_.summary =
        fmt::format("mindspore-unified layout: {} in {}, {} in {}", Count(contents_.stored.size(), "parameter"),
                    Count(parts_.size(), "part"), Count(contents_.hyper.size(), "tensor"), kHyperFile);
    if (options_.task) view_.summary += fmt::format("; task {} of {}", options_.task->task, options_.task->tasks);
    if (const auto& left = contents_.left_slices; !left.empty()) {
      view_.account.push_back(fmt::format(
          "{} holds rank 0's slice of {} that {} not merged, as MindSpore leaves it: {}{}; --complete leaves that out",
          kHyperFile, Count(left.size(), "parameter"), left.size() == 1 ? "is" : "are", QuoteName(left.front()),
          left.size() == 1 ? "" : fmt::format(" and {} more", left.size() - 1)));
    }
    view_.options = options_.InForce();
    view_.ignored = std::move(contents_.ignored);
    view_.ignored.insert(view_.ignored.end(), checkpoint_->ignored().begin(), checkpoint_->ignored().end());
    view_.tree = std::move(tree_).Build();
    return std::move(view_);
  }

  const CheckpointPtr& checkpoint_;
  const UnifiedOptions& options_;
  MindsporeSourcePtr source_;  // of ranks; null for whole tensors
  std::shared_ptr<const Tensors> tensors_;
  UnifiedContents contents_;
  FileMetadata part_metadata_;
  FileSources sources_;
  std::vector<std::vector<std::size_t>> parts_;  // of contents_.stored
  VirtualTreeBuilder tree_;
  View view_;
};

}  // namespace

std::span<const OptionSpec> MindsporeUnifiedLayout::options() const { return UnifiedOptions::Specs(); }

Result<View> MindsporeUnifiedLayout::Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                                           const ViewContext& /*context*/) const {
  SHARDFS_ASSIGN_OR_RETURN(const UnifiedOptions options, UnifiedOptions::Parse(values));
  return ViewBuilder(checkpoint, options).Build();
}

}  // namespace shardfs
