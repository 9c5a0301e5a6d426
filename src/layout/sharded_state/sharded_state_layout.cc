// The config says what the engine's state dict is (StateDictRules), the checkpoint must have each tensor that it is
// made of and no other (FindSources), and every rank gets its share of each (TensorOfRank). A tensor's sources are
// built once for all ranks; tensors are planned in parallel, then the files of the ranks are put together in parallel.
#include "layout/sharded_state/sharded_state_layout.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/parallel.h"
#include "base/quote_name.h"
#include "checkpoint/kept_headers.h"
#include "layout/sharded_state/engine_names_data.h"
#include "layout/sharded_state/rule_sources.h"
#include "layout/sharded_state/serve_command.h"
#include "layout/sharded_state/sharded_options.h"
#include "layout/sharded_state/state_dict_parts.h"
#include "layout/sharded_state/state_dict_rules.h"
#include "view/index_json.h"

namespace shardfs {
namespace {

// Raised with each change of a rule that changes a byte of a view (View::rules_version).
constexpr std::uint32_t kRulesVersion = 1;

// As Python's os.path.splitext() has it: leading dots begin no extension.
std::string_view ExtensionOf(std::string_view name) {
  const auto first = name.find_first_not_of('.');
  const auto dot = name.rfind('.');
  return first == std::string_view::npos || dot == std::string_view::npos || dot < first ? "" : name.substr(dot);
}

bool IsShownBesideWeights(const CompanionFile& file) {
  const std::string_view extension = ExtensionOf(file.name);
  return file.is_regular && !file.name.starts_with(kReservedPrefix) && extension != ".bin" && extension != ".pt" &&
         extension != ".safetensors";
}

class ViewBuilder {
 public:
  ViewBuilder(const CheckpointPtr& checkpoint, const ShardedOptions& options, const ModelShape& shape)
      : checkpoint_(checkpoint), options_(options), shape_(shape), tp_(options.cut.tp) {}

  Result<View> Build(const std::string& place) {
    SHARDFS_ASSIGN_OR_RETURN(rules_, StateDictRules(shape_, options_.names, options_.cut));
    SHARDFS_ASSIGN_OR_RETURN(sources_, FindSources(*checkpoint_, shape_, rules_));
    SHARDFS_RETURN_IF_ERROR(PlanTensors());
    SHARDFS_RETURN_IF_ERROR(AddRanks());
    SHARDFS_RETURN_IF_ERROR(AddIndices());
    SHARDFS_RETURN_IF_ERROR(AddCompanions());
    Describe(place);
    view_.tree = std::move(tree_).Build();
    return std::move(view_);
  }

 private:
  Status PlanRule(std::size_t rule) {
    std::vector<TensorPtr> inputs;
    inputs.reserve(sources_.indices[rule].size());
    for (const std::uint32_t index : sources_.indices[rule]) {
      SHARDFS_ASSIGN_OR_RETURN(TensorPtr input, checkpoint_->tensors().Build(index));
      inputs.push_back(std::move(input));
    }
    for (std::uint32_t rank = 0; rank < tp_; ++rank) {
      SHARDFS_ASSIGN_OR_RETURN(const TensorPtr tensor, TensorOfRank(rules_[rule], tp_, rank, inputs));
      SHARDFS_ASSIGN_OR_RETURN(planned_[rank][rule], PlanTensor(rules_[rule].name, tensor));
    }
    return Status::Ok();
  }

  Status PlanTensors() {
    planned_.assign(tp_, std::vector<PlannedTensor>(rules_.size()));
    std::vector<Status> outcomes(rules_.size());
    ParallelFor(rules_.size(), [&](std::size_t rule) { outcomes[rule] = PlanRule(rule); });
    for (const Status& outcome : outcomes) SHARDFS_RETURN_IF_ERROR(outcome);
    return Status::Ok();
  }

  using Files = std::vector<std::unique_ptr<const VirtualFile>>;

  Status BuildRank(std::uint32_t rank, Files& files) {
    std::vector<PlannedTensor>& tensors = planned_[rank];
    std::vector<std::uint64_t> sizes;
    for (const PlannedTensor& tensor : tensors) sizes.push_back(tensor.plan.size());
    for (const std::vector<std::size_t>& part : PackParts(sizes, options_.max_shard_bytes)) {
      std::vector<PlannedTensor> own;
      for (const std::size_t i : part) own.push_back(std::move(tensors[i]));
      SHARDFS_ASSIGN_OR_RETURN(auto file, MakePlannedFile(std::move(own), checkpoint_, FileMetadata{}));
      files.push_back(std::move(file));
    }
    return Status::Ok();
  }

  Status AddRanks() {
    std::vector<Files> files(tp_);
    std::vector<Status> outcomes(tp_);
    ParallelFor(tp_, [&](std::uint32_t rank) { outcomes[rank] = BuildRank(rank, files[rank]); });
    for (std::uint32_t rank = 0; rank < tp_; ++rank) {
      SHARDFS_RETURN_IF_ERROR(outcomes[rank]);
      for (std::size_t part = 0; part < files[rank].size(); ++part) {
        SHARDFS_RETURN_IF_ERROR(
            tree_.AddFile(PartFileName(rank, part), RankSet::Range(rank, rank + 1), std::move(files[rank][part])));
      }
    }
    return Status::Ok();
  }

  // The stock script copies the index like any other file. Behind a transform that changes more than bytes it is the one
  // of what the transform made.
  Status AddIndices() {
    for (const CheckedIndex& index : checkpoint_->indices()) {
      if (!index.defects.empty()) {
        view_.warnings.push_back(fmt::format("{} {}; the layout goes by the headers", QuoteName(index.name),
                                             DescribeIndexDefects(index.defects)));
      }
      if (KeepsHeaders(*checkpoint_)) {
        SHARDFS_ASSIGN_OR_RETURN(auto source, checkpoint_->sources().OpenFile(index.name));
        SHARDFS_RETURN_IF_ERROR(tree_.AddFile(index.name, RankSet::All(tp_), MakePassthroughFile(std::move(source))));
      } else if (index.name == kIndexName) {
        WeightMap map;
        const StateDict& tensors = checkpoint_->tensors();
        for (const std::uint32_t i : checkpoint_->index_order())
          map.emplace_back(tensors.specs()[i].name, tensors.Origin(i));
        SHARDFS_RETURN_IF_ERROR(tree_.AddFile(index.name, RankSet::All(tp_), MakeGeneratedFile(SourceIndexJson(map))));
      }
    }
    return Status::Ok();
  }

  Status AddCompanions() {
    for (const CompanionFile& file : checkpoint_->files()) {
      if (!IsShownBesideWeights(file)) continue;
      if (file.text != nullptr) {
        SHARDFS_RETURN_IF_ERROR(tree_.AddFile(file.name, RankSet::All(tp_), MakeGeneratedFile(*file.text)));
        continue;
      }
      SHARDFS_ASSIGN_OR_RETURN(auto source, checkpoint_->sources().OpenFile(file.name));
      SHARDFS_RETURN_IF_ERROR(tree_.AddFile(file.name, RankSet::All(tp_), MakePassthroughFile(std::move(source))));
    }
    return Status::Ok();
  }

  RankPart Share(std::uint64_t whole, std::uint32_t rank) const {
    if (whole == 0) return {};
    return {rank * (whole / tp_), (rank + 1) * (whole / tp_), whole};
  }

  RankDescription DescribeRank(std::uint32_t rank) const {
    const bool is_shared_out = options_.cut.expert_parallel;
    RankDescription own;
    own.heads = Share(shape_.heads, rank);
    if (shape_.HasDenseLayers()) own.dense_slice = Share(shape_.intermediate, rank);
    own.head_slice = Share(PaddedVocab(shape_.vocab), rank);
    if (!shape_.HasMoeLayers()) return own;
    const ExpertRange experts =
        is_shared_out ? ExpertsOfRank(shape_.experts, tp_, rank) : ExpertRange{0, shape_.experts};
    own.expert_group = is_shared_out ? rank : 0;
    own.experts = {experts.begin, experts.end, shape_.experts};
    own.expert_slice = is_shared_out ? RankPart{0, shape_.expert_intermediate, shape_.expert_intermediate}
                                     : Share(shape_.expert_intermediate, rank);
    own.shared_slice = Share(shape_.shared_intermediate, rank);
    return own;
  }

  void Describe(const std::string& place) {
    const EngineNames& names = options_.names;
    const std::string command = ServeCommand(shape_, names, options_.cut, place.empty() ? "DIRECTORY" : place);
    const std::string cut = options_.cut.expert_parallel        ? ", whole experts shared out"
                            : options_.cut.fuses_shared_experts ? ", shared expert fused"
                                                                : "";
    view_.summary =
        fmt::format("sharded-state layout of {} ({}) for {} {}{}, {} ranks{}: {} tensors a rank; serve with: {}",
                    shape_.model_type, DtypeName(shape_.dtype), names.engine, names.release.ToString(),
                    options_.version_is_assumed ? " (assumed; --engine-version names another)" : "", tp_, cut,
                    rules_.size(), command);
    view_.world_size = tp_;
    view_.sizes = {{"tp", tp_}};
    view_.options = options_.InForce();
    view_.rules_version = kRulesVersion;
    view_.layers = static_cast<std::uint32_t>(shape_.layers);
    if (shape_.HasMoeLayers()) view_.expert_groups = options_.cut.expert_parallel ? tp_ : 1;
    for (std::uint32_t rank = 0; rank < tp_; ++rank) view_.ranks.push_back(DescribeRank(rank));
    view_.ignored = std::move(sources_.ignored);
    view_.ignored.insert(view_.ignored.end(), checkpoint_->ignored().begin(), checkpoint_->ignored().end());
    view_.read_files = {"config.json"};
    for (std::string& warning : EngineWarnings(shape_, names, options_.cut))
      view_.warnings.push_back(std::move(warning));
  }

  const CheckpointPtr& checkpoint_;
  const ShardedOptions& options_;
  const ModelShape& shape_;
  const std::uint32_t tp_;
  std::vector<OutputTensor> rules_;
  RuleSources sources_;
  std::vector<std::vector<PlannedTensor>> planned_;  // of each rank, of each rule
  VirtualTreeBuilder tree_;
  View view_;
};

Result<View> BuildUnexplained(const CheckpointPtr& checkpoint, const ShardedOptions& options,
                              const ViewContext& context) {
  SHARDFS_ASSIGN_OR_RETURN(const JsonValue* const config, checkpoint->config());
  SHARDFS_ASSIGN_OR_RETURN(const ModelShape shape, ModelShape::Parse(*config));
  SHARDFS_RETURN_IF_ERROR(options.table.CheckModelType(options.names, shape.model_type));
  SHARDFS_RETURN_IF_ERROR(options.cut.Check(shape, options.names.engine));
  return ViewBuilder(checkpoint, options, shape).Build(context.place.path);
}

}  // namespace

std::span<const OptionSpec> ShardedStateLayout::options() const { return ShardedOptions::Specs(); }

std::optional<LayoutTable> ShardedStateLayout::table() const {
  std::string text = "    Releases whose names are known:\n";
  const EngineNameTable& table = EngineNameTable::BuiltIn();
  for (const std::string& engine : table.Engines()) {
    const std::vector<ReleaseNumber> releases = table.Releases(engine);
    std::string changes;
    for (std::size_t i = 1; i + 1 < releases.size(); ++i) {
      changes += (i == 1 ? "; names change with " : ", ") + releases[i].ToString();
    }
    text +=
        fmt::format("      {} {} to {}{}\n", engine, releases.front().ToString(), releases.back().ToString(), changes);
  }
  return LayoutTable{"names", std::string(kEngineNamesJson), std::move(text)};
}

Result<View> ShardedStateLayout::Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                                       const ViewContext& context) const {
  SHARDFS_ASSIGN_OR_RETURN(const ShardedOptions options, ShardedOptions::Parse(values));
  Result<View> view = BuildUnexplained(checkpoint, options, context);
  if (!view.ok()) return checkpoint->ExplainRefusal(view.status());
  if (!checkpoint->incomplete().empty()) {
    view->warnings.push_back(
        fmt::format("{}; the files that are there hold every tensor of this view", checkpoint->incomplete()));
  }
  return view;
}

}  // namespace shardfs
