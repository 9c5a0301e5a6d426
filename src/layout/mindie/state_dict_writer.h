// StateDictWriter: collects the tensors of one rank's state dict, each in the folder that its name decides, and the
// lines of the quantisation description.
// Source: spec/mindie-weight-sharder.md, sections 3.6 and 5; spec/mindie-loader-variant.md, section 1, rules 4 and 5.
//
// Not thread-safe; one for each rank that is built.
#pragma once

#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "layout/mindie/linear_tensors.h"
#include "layout/mindie/state_dict.h"

namespace shardfs {

class StateDictWriter {
 public:
  // Tensors of folders whose flag in `wanted` is not set are passed over without being built.
  StateDictWriter(const MindieModel& model, const std::array<bool, kMindieFolders>& wanted);

  // Appends what `build` gives (Result<TensorPtr>) under `name`; in the description it is what the model is.
  template <typename Build>
  Status Add(std::string name, Build&& build) {
    return Append(std::move(name), model_quantize_, std::forward<Build>(build));
  }

  // The same for a tensor of a linear of `kind` (or of the router and lm_head, which count as linears).
  template <typename Build>
  Status AddInLinear(std::string name, LinearKind kind, Build&& build) {
    return Append(std::move(name), std::string(LinearKindName(kind)), std::forward<Build>(build));
  }

  // A tensor as the source has it, in the model's dtype.
  Status AddWhole(std::string name, const TensorSpec* info) {
    return Add(std::move(name), [&] { return Whole(*info); });
  }

  Status AddNorm(const std::string& name, const NormWeights& norm);
  Status AddLinear(const std::string& prefix, std::span<const LinearWeights* const> packed, const LinearCut& cut);
  Status AddStackedLinear(const std::string& prefix, std::span<const std::vector<const LinearWeights*>> packed,
                          const LinearCut& cut);

  // To be called behind the gate_up_proj of the MLP `prefix`: the loader's variant describes some of them under the
  // names that the loader looks up. `norm` is the layer's post_attention_layernorm; empty for shared experts.
  void DescribeGateUp(const std::string& prefix, LinearKind kind, const std::string& quantize, const NormWeights& norm);

  // A tensor as the source has it.
  Result<TensorPtr> Source(const TensorSpec& info) const { return model_.weights.checkpoint->Build(info); }

  // Every float tensor is cast to the model's dtype as it is read (section 3.1, rule 4).
  Result<TensorPtr> Whole(const TensorSpec& info) const;

  bool Wants(std::string_view name) const { return wanted_[static_cast<std::size_t>(MindieFolderOf(name, model_))]; }
  MindieStateDict Take() && { return std::move(result_); }

 private:
  template <typename Build>
  Status Append(std::string name, std::string kind, Build&& build) {
    const auto folder = static_cast<std::size_t>(MindieFolderOf(name, model_));
    if (!wanted_[folder]) return Status::Ok();
    Result<TensorPtr> tensor = build();
    if (!tensor.ok()) return tensor.status().WithContext(name);
    Describe(name, std::move(kind));
    SHARDFS_ASSIGN_OR_RETURN(PlannedTensor planned, PlanTensor(std::move(name), *tensor));
    result_.folders[folder].push_back(std::move(planned));
    return Status::Ok();
  }

  Status AppendLinear(const std::string& prefix, LinearKind kind, Result<std::vector<LinearTensor>> tensors);
  void Describe(std::string name, std::string kind);

  const MindieModel& model_;
  const std::array<bool, kMindieFolders> wanted_;
  const std::string model_quantize_;  // upper case; empty without `quantize`
  const LinearRules rules_;
  MindieStateDict result_;
};

// "w8a8_dynamic" -> "W8A8_DYNAMIC"
std::string UpperCase(std::string_view text);

}  // namespace shardfs
