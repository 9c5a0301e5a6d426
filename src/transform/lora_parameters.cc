// By name, as mindformers' transform_ckpt_lora.py does it: M.mindpet_delta_lora_a and M.mindpet_delta_lora_b, or
// M.lora_A.weight and M.lora_B.weight, are merged into M.weight, and every name that holds "lora_" goes, the moments of
// the optimizer of such parameters among them. What that program would drop without merging it is refused, unless it
// is such a moment.
#include "transform/lora_parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/quote_name.h"
#include "transform/lora_state_dict.h"

namespace shardfs {
namespace {

constexpr std::string_view kMark = "lora_";

bool Holds(std::string_view name, std::string_view part) { return name.find(part) != std::string_view::npos; }

std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

bool IsMoment(std::string_view name) {
  const std::string_view first = name.substr(0, name.find('.'));
  return first == "adam_m" || first == "adam_v";
}

class ParameterMerge {
 public:
  ParameterMerge(const Checkpoint& checkpoint, double scaling)
      : checkpoint_(checkpoint), dict_(checkpoint.tensors()), scaling_(scaling) {}

  Status Match() {
    for (std::uint32_t i = 0; i < dict_.specs().size(); ++i) {
      const std::string_view name = dict_.specs()[i].name;
      if ((Holds(name, "lora_a") || Holds(name, "lora_A")) && !IsMoment(name)) SHARDFS_RETURN_IF_ERROR(Merge(i));
    }
    if (changes_.empty()) {
      return Status::InvalidArgument(
          fmt::format("lora_scaling merges LoRA parameters of the checkpoint (*_lora_a, *.lora_A.weight), and {} has "
                      "none; a PEFT adapter beside it is given with --lora",
                      checkpoint_.path()));
    }
    for (std::uint32_t i = 0; i < dict_.specs().size(); ++i) {
      const std::string_view name = dict_.specs()[i].name;
      if (!Holds(name, kMark) || used_.contains(i) || IsMoment(name)) continue;
      return Status::Corruption(fmt::format(
          "lora_scaling: {} holds \"lora_\", and is no LoRA parameter with a partner and a base, so it would be lost; "
          "take it out of the checkpoint, or rename it there",
          QuoteName(name)));
    }
    return Status::Ok();
  }

  CheckpointPtr Take() {
    Checkpoint::Content content = checkpoint_.content();
    std::vector<std::uint32_t> kept;
    std::vector<std::uint32_t> place(dict_.specs().size(), kGone);
    for (std::uint32_t i = 0; i < dict_.specs().size(); ++i) {
      const TensorSpec& spec = dict_.specs()[i];
      if (!Holds(spec.name, kMark)) {
        place[i] = static_cast<std::uint32_t>(kept.size());
        kept.push_back(i);
        continue;
      }
      content.ignored.push_back(
          {std::string(spec.name),
           IsMoment(spec.name) ? "optimizer's moment of a LoRA parameter" : "merged into its base", BytesOf(spec)});
    }
    content.index_order.clear();
    for (const std::uint32_t i : checkpoint_.index_order()) {
      if (place[i] != kGone) content.index_order.push_back(place[i]);
    }
    content.parts = nullptr;
    std::erase_if(content.metadata, [](const auto& one) { return Holds(one.first, kMark); });
    content.dangling.clear();
    content.empty_files.clear();
    content.transforms.push_back(
        {"lora", fmt::format("{} weight{} merged at scaling {}, {} of {} parameters left", changes_.size(),
                             changes_.size() == 1 ? "" : "s", scaling_, kept.size(), dict_.specs().size())});
    content.tensors =
        std::make_shared<const LoraStateDict>(checkpoint_.shared_tensors(), std::move(kept), std::move(changes_));
    return std::make_shared<const Checkpoint>(std::move(content));
  }

 private:
  static constexpr std::uint32_t kGone = ~std::uint32_t{0};

  Result<std::uint32_t> Find(std::string_view parameter, const char* what, const std::string& name) const {
    const auto found = dict_.Find(name);
    if (found) return *found;
    return Status::Corruption(
        fmt::format("lora_scaling: {} has no {}, {}", QuoteName(parameter), what, QuoteName(name)));
  }

  Status Merge(std::uint32_t a) {
    const std::string name(dict_.specs()[a].name);
    const std::string base_name =
        Replaced(Replaced(Replaced(name, "_lora_a", ""), "mindpet_delta", "weight"), ".lora_A", "");
    const std::string b_name = Replaced(Replaced(name, "lora_a", "lora_b"), ".lora_A", ".lora_B");
    SHARDFS_ASSIGN_OR_RETURN(const std::uint32_t base, Find(name, "base", base_name));
    SHARDFS_ASSIGN_OR_RETURN(const std::uint32_t b, Find(name, "partner", b_name));
    if (Holds(base_name, kMark) || a == b) {
      return Status::Corruption(fmt::format("lora_scaling: the base of {} would be {}, which holds \"lora_\" itself",
                                            QuoteName(name), QuoteName(base_name)));
    }
    SHARDFS_RETURN_IF_ERROR(CheckFit(base, b, a));
    if (changes_.contains(base)) {
      return Status::Corruption(
          fmt::format("lora_scaling: two pairs of LoRA parameters are of {}", QuoteName(base_name)));
    }
    used_.insert({a, b});
    LoraChange change;
    change.from = checkpoint_.shared_tensors();
    change.a = a;
    change.b = b;
    change.axes = {LoraAxis::kRowsOfB, LoraAxis::kColumnsOfA};
    change.scaling = scaling_;
    changes_[base].push_back(std::move(change));
    return Status::Ok();
  }

  // [out, in], [out, r] and [r, in], each of a float dtype.
  Status CheckFit(std::uint32_t base, std::uint32_t b, std::uint32_t a) const {
    for (const std::uint32_t i : {base, b, a}) {
      const TensorSpec& spec = dict_.specs()[i];
      if (IsFloat(spec.dtype)) continue;
      return Status::NotSupported(
          fmt::format("lora_scaling: {} is {}, not F32, F16 or BF16", QuoteName(spec.name), DtypeName(spec.dtype)));
    }
    const TensorSpec& weight = dict_.specs()[base];
    const Shape& rows = dict_.specs()[b].shape;
    const Shape& columns = dict_.specs()[a].shape;
    const bool fits = weight.shape.size() == 2 && rows.size() == 2 && columns.size() == 2 && rows[1] == columns[0] &&
                      rows[1] > 0 && weight.shape == Shape{rows[0], columns[1]};
    if (fits) return Status::Ok();
    return Status::Corruption(
        fmt::format("lora_scaling: {} {} and {} {} do not fit {} {} as [out, r], [r, in] and "
                    "[out, in]",
                    QuoteName(dict_.specs()[b].name), ShapeToString(rows), QuoteName(dict_.specs()[a].name),
                    ShapeToString(columns), QuoteName(weight.name), ShapeToString(weight.shape)));
  }

  const Checkpoint& checkpoint_;
  const StateDict& dict_;
  const double scaling_;
  LoraChanges changes_;
  std::set<std::uint32_t> used_;  // LoRA parameters that are merged
};

}  // namespace

Result<CheckpointPtr> MergeLoraParameters(const Checkpoint& checkpoint, double scaling) {
  ParameterMerge merge(checkpoint, scaling);
  SHARDFS_RETURN_IF_ERROR(merge.Match());
  return merge.Take();
}

}  // namespace shardfs
