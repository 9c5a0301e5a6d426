// RuleList: the rules of a state dict while they are made, layer by layer.
//
// Not thread-safe.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layout/sharded_state/engine_names.h"
#include "layout/sharded_state/model_shape.h"
#include "layout/sharded_state/output_tensor.h"
#include "layout/sharded_state/sharded_options.h"

namespace shardfs {

class RuleList {
 public:
  // Borrows all three.
  RuleList(const ModelShape& shape, const EngineNames& names, const ShardedCut& cut)
      : shape_(shape), names_(names), cut_(cut) {}

  const ModelShape& shape() const { return shape_; }
  const ShardedCut& cut() const { return cut_; }
  const EngineNames& names() const { return names_; }
  const std::string& prefix() const { return prefix_; }  // of the names in this layer: "model.layers.3."
  void BeginLayer(std::uint64_t layer);
  void EndLayers() { prefix_.clear(); }

  // A tensor of the model's dtype, the ranks' shares of `parts` one below the other.
  void Add(std::string name, std::vector<SourcePart> parts);
  void Add(OutputTensor tensor) { tensors_.push_back(std::move(tensor)); }

  // Calls make(role, name) for each role of the block, in the table's order.
  template <typename Make>
  void ForEachRole(std::string_view block, Make&& make) {
    for (const auto& [role, name] : names_.Block(block)) make(role, prefix_ + name);
  }

  // Fails the list where the block lacks one of the roles, which this model needs.
  void Require(std::string_view block, std::initializer_list<std::string_view> roles);
  bool Has(std::string_view block, std::string_view role) const;

  // The tensors in order; kInvalidArgument where a role was missing or two tensors have one name.
  Result<std::vector<OutputTensor>> Take() &&;

 private:
  const ModelShape& shape_;
  const EngineNames& names_;
  const ShardedCut& cut_;
  std::string prefix_;
  std::vector<OutputTensor> tensors_;
  Status status_;
};

// The rules of a layer's attention, of its dense MLP, and of its experts.
void AddAttention(RuleList& rules);
void AddDenseMlp(RuleList& rules);
void AddExperts(RuleList& rules);

// gate_proj and up_proj below `folder` of the source, or their biases, as gate_up_proj; and down_proj.
std::vector<SourcePart> GateUpParts(const RuleList& rules, const std::string& folder, std::uint64_t size,
                                    std::string_view sizes, std::string_view suffix = ".weight");
std::vector<SourcePart> DownParts(const RuleList& rules, const std::string& folder, std::uint64_t size,
                                  std::string_view sizes);

}  // namespace shardfs
