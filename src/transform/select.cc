// Five steps, always in this order: `select` and `drop` look at the source's names, `layers` keeps layers by number,
// `renumber` closes the gaps in names and config.json, `rename` sees the names after that. Each tensor that goes is
// listed with the step that took it. An option that matches nothing is refused: a misspelt one must not go unseen.
#include "transform/select.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <set>
#include <unordered_map>

#include "base/quote_name.h"
#include "checkpoint/tensor_name.h"
#include "checkpoint/tensor_pattern.h"
#include "transform/rename_rules.h"
#include "transform/select_layers.h"
#include "transform/selected_state_dict.h"

namespace shardfs {
namespace {

constexpr std::array<OptionSpec, 5> kOptions = {{
    {"select", OptionKind::kList, "GLOBS", "Keep only tensors whose names match (*, **, {a,b}, {m..n})", "all"},
    {"drop", OptionKind::kList, "GLOBS", "Leave out tensors whose names match", "none"},
    {"layers", OptionKind::kText, "LIST", "Keep these layers, as in 0-3,8; tensors of no layer stay", "all"},
    {"renumber", OptionKind::kSwitch, "", "Number the kept layers from 0, in names and in config.json", "no"},
    {"rename", OptionKind::kList, "FROM=>TO", "Rename tensors; {1} is the text of FROM's first wildcard", "none"},
}};
constexpr const OptionSpec& kSelect = kOptions[0];
constexpr const OptionSpec& kDrop = kOptions[1];
constexpr const OptionSpec& kLayers = kOptions[2];
constexpr const OptionSpec& kRenumber = kOptions[3];
constexpr const OptionSpec& kRename = kOptions[4];

constexpr std::size_t kMaxNameBytes = 4096;

class Selection {
 public:
  explicit Selection(const Checkpoint& checkpoint) : checkpoint_(checkpoint), specs_(checkpoint.tensors().specs()) {
    for (std::uint32_t i = 0; i < specs_.size(); ++i) kept_.push_back({i, std::string(specs_[i].name)});
  }

  // Keeps the tensors that match a pattern where `matching_stay`, else those that match none.
  Status KeepByPattern(const std::vector<std::string>& texts, std::string_view option, bool matching_stay) {
    if (texts.empty()) return Status::Ok();
    std::vector<TensorPattern> patterns;
    for (const std::string& text : texts) {
      Result<TensorPattern> pattern = TensorPattern::Parse(text);
      if (!pattern.ok()) return pattern.status().WithContext(option);
      patterns.push_back(std::move(pattern).value());
    }
    std::vector<bool> used(patterns.size(), false);
    Keep(matching_stay ? "select does not name it" : "drop leaves it out", [&](const SelectedTensor& tensor) {
      bool matches = false;
      for (std::size_t i = 0; i < patterns.size(); ++i) {
        if (matches && used[i]) continue;
        if (!patterns[i].Matches(tensor.name)) continue;
        matches = used[i] = true;
      }
      return matches == matching_stay;
    });
    const auto unused = std::find(used.begin(), used.end(), false);
    if (unused == used.end()) return Status::Ok();
    const std::string& text = texts[static_cast<std::size_t>(unused - used.begin())];
    return Status::InvalidArgument(fmt::format("{} {} matches no tensor", option, QuoteName(text)));
  }

  Status KeepLayers(const std::string& text) {
    SHARDFS_ASSIGN_OR_RETURN(layers_, ParseLayers(text));
    std::set<std::uint64_t> present;
    for (const TensorSpec& spec : specs_) {
      if (const auto layer = FindLayer(spec.name)) present.insert(layer->layer);
    }
    for (const std::uint64_t layer : layers_) {
      if (present.contains(layer)) continue;
      return Status::InvalidArgument(fmt::format("layers {}: the checkpoint has no layer {}", text, layer));
    }
    Keep("its layer is not among the layers asked for", [&](const SelectedTensor& tensor) {
      const auto layer = FindLayer(tensor.name);
      return !layer || layers_.contains(layer->layer);
    });
    return Status::Ok();
  }

  void Renumber() {
    for (SelectedTensor& tensor : kept_) {
      const auto layer = FindLayer(tensor.name);
      if (!layer) continue;
      const auto place = std::distance(layers_.begin(), layers_.find(layer->layer));
      tensor.name.replace(layer->begin, layer->end - layer->begin, std::to_string(place));
    }
  }

  Status Rename(const std::vector<std::string>& texts) {
    SHARDFS_ASSIGN_OR_RETURN(RenameRules rules, RenameRules::Parse(texts));
    for (SelectedTensor& tensor : kept_) tensor.name = rules.Apply(tensor.name);
    return rules.CheckAllUsed();
  }

  Status CheckNames() const {
    if (kept_.empty()) return Status::InvalidArgument("no tensor is left to show");
    std::unordered_map<std::string_view, std::uint32_t> seen;
    for (const SelectedTensor& tensor : kept_) {
      const std::string_view source = specs_[tensor.index].name;
      if (tensor.name.empty() || tensor.name == "__metadata__" || tensor.name.size() > kMaxNameBytes) {
        return Status::InvalidArgument(fmt::format("{} would be named {}", source, QuoteName(tensor.name)));
      }
      const auto [other, is_new] = seen.emplace(tensor.name, tensor.index);
      if (is_new) continue;
      return Status::InvalidArgument(
          fmt::format("{} and {} would both be {}", specs_[other->second].name, source, tensor.name));
    }
    return Status::Ok();
  }

  const std::set<std::uint64_t>& layers() const { return layers_; }

  // Weights that lost their scales, and scales that lost their weights.
  void WarnOfCompanions(std::vector<std::string>& warnings) const {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kPairs = {
        {{".weight", ".weight_scale_inv"}, {".weight", ".weight_scale"}, {".qweight", ".scales"}}};
    std::vector<bool> is_kept(specs_.size(), false);
    for (const SelectedTensor& tensor : kept_) is_kept[tensor.index] = true;
    std::size_t torn = 0;
    std::string example;
    for (const auto& [weight, scale] : kPairs) {
      for (std::uint32_t i = 0; i < specs_.size(); ++i) {
        if (!specs_[i].name.ends_with(scale)) continue;
        const std::string base(specs_[i].name.substr(0, specs_[i].name.size() - scale.size()));
        const auto partner = checkpoint_.tensors().Find(base + std::string(weight));
        if (!partner || is_kept[i] == is_kept[*partner]) continue;
        if (torn++ == 0) example = fmt::format("{} and {}", base + std::string(weight), specs_[i].name);
      }
    }
    if (torn == 0) return;
    warnings.push_back(fmt::format("select and drop part {} weights from their scales, {} first", torn, example));
  }

  // The checkpoint of what is left.
  Checkpoint::Content Take() && {
    Checkpoint::Content content = checkpoint_.content();
    std::vector<std::uint32_t> place(specs_.size(), kGone);
    for (std::uint32_t i = 0; i < kept_.size(); ++i) place[kept_[i].index] = i;
    content.index_order.clear();
    for (const std::uint32_t index : checkpoint_.index_order()) {
      if (place[index] != kGone) content.index_order.push_back(place[index]);
    }
    WarnOfCompanions(content.warnings);
    content.ignored.insert(content.ignored.end(), std::make_move_iterator(ignored_.begin()),
                           std::make_move_iterator(ignored_.end()));
    content.parts = nullptr;
    content.dangling.clear();
    content.empty_files.clear();
    content.transforms.push_back({"select", fmt::format("{} of {} tensors", kept_.size(), specs_.size())});
    content.tensors = std::make_shared<const SelectedStateDict>(checkpoint_.shared_tensors(), std::move(kept_));
    return content;
  }

 private:
  static constexpr std::uint32_t kGone = ~std::uint32_t{0};

  template <typename Stays>
  void Keep(const char* reason, Stays&& stays) {
    const auto rest = std::stable_partition(kept_.begin(), kept_.end(), stays);
    for (auto gone = rest; gone != kept_.end(); ++gone) {
      const TensorSpec& spec = specs_[gone->index];
      ignored_.push_back({std::string(spec.name), reason, BytesOf(spec)});
    }
    kept_.erase(rest, kept_.end());
  }

  const Checkpoint& checkpoint_;
  const std::span<const TensorSpec> specs_;
  std::vector<SelectedTensor> kept_;
  std::vector<IgnoredTensor> ignored_;
  std::set<std::uint64_t> layers_;
};

// A description of quantised weights goes by names, which this transform does not rewrite.
Status CheckNoDescription(const Checkpoint& checkpoint) {
  for (const CompanionFile& file : checkpoint.files()) {
    if (!file.name.starts_with("quant_model_description") || !file.name.ends_with(".json")) continue;
    return Status::InvalidArgument(fmt::format("renumber and rename would leave {} with other names", file.name));
  }
  return Status::Ok();
}

void WarnOfNamesInConfig(const Checkpoint& checkpoint, std::vector<std::string>& warnings) {
  const auto config = checkpoint.config();
  const JsonValue* const quantization = config.ok() ? (*config)->Find("quantization_config") : nullptr;
  if (quantization == nullptr) return;
  for (const char* key : {"ignored_layers", "modules_to_not_convert", "ignore"}) {
    if (quantization->Find(key) == nullptr) continue;
    warnings.push_back(fmt::format("names in config.json's quantization_config.{} are not changed", key));
  }
}

Status PutConfig(const Checkpoint& checkpoint, const std::set<std::uint64_t>& layers, Checkpoint::Content& content) {
  const auto config = checkpoint.config();
  if (config.status().code() == StatusCode::kNotFound) {
    return Status::InvalidArgument("renumber: there is no config.json to renumber");
  }
  SHARDFS_RETURN_IF_ERROR(config.status());
  SHARDFS_ASSIGN_OR_RETURN(std::string text, RenumberConfig(**config, layers));
  for (CompanionFile& file : content.files) {
    if (file.name != "config.json") continue;
    file.size = text.size();
    file.text = std::make_shared<const std::string>(std::move(text));
    break;
  }
  return Status::Ok();
}

}  // namespace

std::span<const OptionSpec> SelectTransform::options() const { return kOptions; }

bool SelectTransform::IsAskedFor(const OptionValues& values) const {
  return std::any_of(kOptions.begin(), kOptions.end(), [&](const OptionSpec& spec) {
    return spec.kind == OptionKind::kSwitch ? values.Switch(spec).value_or(false) : values.Has(spec);
  });
}

Result<CheckpointPtr> SelectTransform::Apply(const CheckpointPtr& checkpoint, const OptionValues& values,
                                             const TransformContext& /*context*/) const {
  const bool renumbers = values.Switch(kRenumber).value_or(false);
  const std::vector<std::string> rules = values.List(kRename);
  if (renumbers && !values.Has(kLayers)) {
    return Status::InvalidArgument("renumber needs layers: it numbers those that stay from 0; add --layers");
  }
  if (renumbers || !rules.empty()) SHARDFS_RETURN_IF_ERROR(CheckNoDescription(*checkpoint));
  Selection selection(*checkpoint);
  SHARDFS_RETURN_IF_ERROR(selection.KeepByPattern(values.List(kSelect), "select", true));
  SHARDFS_RETURN_IF_ERROR(selection.KeepByPattern(values.List(kDrop), "drop", false));
  if (const auto layers = values.Text(kLayers)) SHARDFS_RETURN_IF_ERROR(selection.KeepLayers(*layers));
  if (renumbers) selection.Renumber();
  if (!rules.empty()) SHARDFS_RETURN_IF_ERROR(selection.Rename(rules));
  SHARDFS_RETURN_IF_ERROR(selection.CheckNames());
  const std::set<std::uint64_t> layers = selection.layers();
  Checkpoint::Content content = std::move(selection).Take();
  if (renumbers) SHARDFS_RETURN_IF_ERROR(PutConfig(*checkpoint, layers, content));
  if (renumbers || !rules.empty()) WarnOfNamesInConfig(*checkpoint, content.warnings);
  return std::make_shared<const Checkpoint>(std::move(content));
}

}  // namespace shardfs
