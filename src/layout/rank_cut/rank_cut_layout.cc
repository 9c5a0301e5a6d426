// The table is read and the options put into it; sizes become two grids; every tensor is placed under its rule; what
// ranks would hold is checked; then the files are built. All of it comes from headers.
#include "layout/rank_cut/rank_cut_layout.h"

#include <fmt/format.h>

#include <map>

#include "base/quote_name.h"
#include "layout/rank_cut/cut_checks.h"
#include "layout/rank_cut/cut_table.h"
#include "layout/rank_cut/placement.h"
#include "layout/rank_cut/presets.h"
#include "layout/rank_cut/rank_cut_options.h"
#include "layout/rank_cut/rank_files.h"
#include "layout/rank_cut/rank_parts.h"
#include "layout/rank_cut/refusal.h"

namespace shardfs {
namespace rank_cut {
namespace {

constexpr std::string_view kReconstructed =
    "the cut of preset deepseek-moe-16b is reconstructed; compare one rank's parameters after an ordinary load (a hash "
    "each) before relying on it";

class ViewBuilder {
 public:
  ViewBuilder(const CheckpointPtr& checkpoint, RankCutRequest request)
      : checkpoint_(checkpoint), request_(std::move(request)) {}

  Result<View> Build() {
    SHARDFS_ASSIGN_OR_RETURN(const JsonValue* const config, Config());
    SHARDFS_ASSIGN_OR_RETURN(const TableInForce in_force, PutInForce(std::move(request_.table), config));
    SHARDFS_ASSIGN_OR_RETURN(const Placement placement, PlaceTensors(in_force, *checkpoint_));
    SHARDFS_RETURN_IF_ERROR(CheckPairs(in_force, placement));
    SHARDFS_RETURN_IF_ERROR(CheckCopies(in_force, placement));
    SHARDFS_ASSIGN_OR_RETURN(std::vector<RankFile> files, BuildRankFiles(in_force, placement, checkpoint_));
    world_ = static_cast<std::uint32_t>(in_force.grids.sizes().world);
    SHARDFS_RETURN_IF_ERROR(AddFiles(in_force, files));
    if (request_.shows_companions) {
      SHARDFS_RETURN_IF_ERROR(AddCompanions());
    }
    Describe(in_force, placement);
    view_.tree = std::move(tree_).Build();
    return std::move(view_);
  }

 private:
  // config.json, or nullptr where there is none.
  Result<const JsonValue*> Config() const {
    const auto config = checkpoint_->config();
    if (config.ok()) return *config;
    if (config.status().code() == StatusCode::kNotFound) return nullptr;
    return config.status();
  }

  void NoteDirectories(const RankFile& file) {
    for (std::size_t slash = file.name.find('/'); slash != std::string::npos; slash = file.name.find('/', slash + 1)) {
      std::vector<std::uint32_t>& ranks = directories_[file.name.substr(0, slash)];
      ranks.insert(ranks.end(), file.ranks.begin(), file.ranks.end());
    }
  }

  Status AddFiles(const TableInForce& in_force, std::vector<RankFile>& files) {
    const std::string map = RankMapJson(in_force, files);
    for (const RankFile& file : files) NoteDirectories(file);
    for (const auto& [path, ranks] : directories_) {
      const Status added = tree_.AddDirectory(path, RankSet(ranks));
      if (!added.ok()) return Refuse("bad-rule", added.message());
    }
    for (RankFile& file : files) {
      const Status added = tree_.AddFile(file.name, RankSet(file.ranks), std::move(file.file));
      if (!added.ok()) return Refuse("file-clash", added.message());
    }
    return tree_.AddFile(kRankMapName, RankSet::All(world_), MakeGeneratedFile(map));
  }

  Status AddCompanions() {
    for (const CompanionFile& file : checkpoint_->files()) {
      if (file.name.starts_with(kReservedPrefix) || !file.is_regular) continue;
      std::unique_ptr<const VirtualFile> shown;
      if (file.text != nullptr) {
        shown = MakeGeneratedFile(*file.text);
      } else {
        SHARDFS_ASSIGN_OR_RETURN(auto source, checkpoint_->sources().OpenFile(file.name));
        shown = MakePassthroughFile(std::move(source));
      }
      const Status added = tree_.AddFile(file.name, RankSet::All(world_), std::move(shown));
      if (added.ok()) continue;
      return Refuse("file-clash", fmt::format("{} of the source, which companions=root shows: {}", QuoteName(file.name),
                                              added.message()));
    }
    return Status::Ok();
  }

  void Describe(const TableInForce& in_force, const Placement& placement) {
    const MeshSizes& sizes = in_force.grids.sizes();
    view_.world_size = world_;
    view_.sizes = {{"world_size", sizes.world}, {"tp", sizes.tp}, {"pp", sizes.pp}, {"ep", sizes.ep},
                   {"etp", sizes.etp},          {"cp", sizes.cp}, {"dp", sizes.dp}};
    view_.options = request_.in_force;
    view_.options.emplace_back("order", in_force.grids.order());
    view_.options.emplace_back("expert_order", in_force.grids.expert_order());
    view_.summary =
        fmt::format("rank-cut layout ({}) for {} ranks: {} of {} tensors; tp {}, pp {}, ep {}, etp {}, cp {}, dp {}",
                    request_.preset.empty() ? "a table of rules" : "preset " + request_.preset, world_,
                    checkpoint_->tensors().specs().size() - placement.dropped.size(),
                    checkpoint_->tensors().specs().size(), sizes.tp, sizes.pp, sizes.ep, sizes.etp, sizes.cp, sizes.dp);
    view_.ignored = placement.dropped;
    view_.ignored.insert(view_.ignored.end(), checkpoint_->ignored().begin(), checkpoint_->ignored().end());
    if (checkpoint_->FindFile("config.json") != nullptr) view_.read_files = {"config.json"};
    if (request_.preset == kPresetNames.front()) view_.warnings.emplace_back(kReconstructed);
    view_.account = CutTable(in_force, placement);
    view_.questions = QuestionsOf(in_force, placement);
    DescribeRanks(in_force, placement, &view_);
  }

  const CheckpointPtr& checkpoint_;
  RankCutRequest request_;
  std::uint32_t world_ = 1;
  std::map<std::string, std::vector<std::uint32_t>> directories_;  // the ranks of each; a parent before what is in it
  VirtualTreeBuilder tree_;
  View view_;
};

}  // namespace
}  // namespace rank_cut

std::span<const OptionSpec> RankCutLayout::options() const { return rank_cut::RankCutSpecs(); }

std::span<const LayoutPreset> RankCutLayout::presets() const { return rank_cut::Presets(); }

Result<View> RankCutLayout::Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                                  const ViewContext& /*context*/) const {
  SHARDFS_ASSIGN_OR_RETURN(rank_cut::RankCutRequest request, rank_cut::ParseRequest(values));
  Result<View> view = rank_cut::ViewBuilder(checkpoint, std::move(request)).Build();
  if (!view.ok()) return checkpoint->ExplainRefusal(view.status());
  return view;
}

}  // namespace shardfs
