// LoraStateDict: a state dict in which some tensors are changed by LoRA adapters, and of which some may be left out.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "shardfs/tensor/state_dict.h"
#include "tensor/ops/lora_add.h"

namespace shardfs {

// One change of a tensor of the base by tensors of `from`, which have been checked to fit it.
struct LoraChange {
  enum class Kind : std::uint8_t { kReplace, kMerge, kAddBias };

  Kind kind = Kind::kMerge;
  StateDictPtr from;
  std::uint32_t b = 0;              // kMerge: B; kAddBias: its bias; kReplace: what stands in the base's place
  std::uint32_t a = 0;              // kMerge
  std::vector<LoraAxis> axes = {};  // kMerge: of the base's tensor
  double scaling = 0;               // kMerge, kAddBias
  bool rounds_product = false;      // kMerge
};

// What happens to the tensors of a base, in this order for each, by its index.
using LoraChanges = std::map<std::uint32_t, std::vector<LoraChange>>;

class LoraStateDict final : public StateDict {
 public:
  // `kept` are indices of `input` in ascending order; those of `changes` are among them.
  LoraStateDict(StateDictPtr input, std::vector<std::uint32_t> kept, LoraChanges changes);

  std::span<const TensorSpec> specs() const override { return specs_; }
  std::optional<std::uint32_t> Find(std::string_view name) const override;
  Result<TensorPtr> Build(std::uint32_t index) const override;
  std::string_view Origin(std::uint32_t index) const override { return input_->Origin(kept_[index]); }
  std::optional<SourceSpan> SpanOf(std::uint32_t index) const override {
    return changes_.contains(kept_[index]) ? std::nullopt : input_->SpanOf(kept_[index]);
  }

 private:
  StateDictPtr input_;
  std::vector<std::uint32_t> kept_;
  LoraChanges changes_;
  std::vector<TensorSpec> specs_;
};

}  // namespace shardfs
