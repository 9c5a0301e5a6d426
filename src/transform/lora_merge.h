// LoraMerge: which tensors of a base the adapters of a command line change, and how.
// Source: spec/lora.md, section 2.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "shardfs/checkpoint/checkpoint.h"
#include "transform/lora_adapter.h"
#include "transform/lora_state_dict.h"

namespace shardfs {

// Not thread-safe; lives while a transform is applied.
class LoraMerge {
 public:
  explicit LoraMerge(const Checkpoint& base);

  // Adds the changes of an adapter behind those of the adapters before it. kNotSupported for a base or an adapter that
  // the rules do not cover, kCorruption for one that does not fit the base: the message names the first tensor that
  // does not. Nothing may be taken after a failure.
  Status Add(const std::shared_ptr<const LoraAdapter>& adapter);

  // What the last adapter changes, in one phrase: for `plan`.
  std::string Account() const;

  LoraChanges TakeChanges() { return std::move(changes_); }

 private:
  // What an adapter does to one tensor of the base.
  struct Done {
    bool is_replaced = false;
    bool is_layer_replaced = false;
    bool is_merged = false;
  };

  Result<std::uint32_t> FindTarget(const std::string& name, std::string_view adapter_tensor) const;
  Status CheckTie(const std::string& name, bool is_embedding) const;
  Status Replace(const LoraReplacement& replacement);
  Status Merge(const LoraModule& module);
  Status AddBias(const LoraModule& module, double scaling);
  Status CheckPatterns() const;
  Result<std::vector<LoraAxis>> AxesOf(const LoraModule& module, std::uint64_t rank, const TensorSpec& weight) const;
  const TensorSpec& SpecOf(std::uint32_t adapter_tensor) const { return tensors_->specs()[adapter_tensor]; }

  const Checkpoint& base_;
  bool has_tied_embeddings_ = false;
  LoraChanges changes_;

  // These three belong to the last adapter.
  std::shared_ptr<const LoraAdapter> adapter_;
  StateDictPtr tensors_;
  std::map<std::uint32_t, Done> done_;
  std::map<double, std::size_t> merged_;  // how many weights by scaling
  std::size_t replaced_ = 0;
  std::size_t biases_ = 0;
};

}  // namespace shardfs
