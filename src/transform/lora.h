// The transform `lora`: LoRA adapters merged on read, from PEFT directories or from parameters inside the checkpoint.
// Source: spec/lora.md.
#pragma once

#include "shardfs/transform/transform.h"

namespace shardfs {

class LoraTransform final : public Transform {
 public:
  std::string_view name() const override { return "lora"; }
  std::string_view summary() const override { return "merges LoRA adapters into the weights"; }
  std::span<const OptionSpec> options() const override;
  bool IsAskedFor(const OptionValues& values) const override;
  Result<CheckpointPtr> Apply(const CheckpointPtr& checkpoint, const OptionValues& values,
                              const TransformContext& context) const override;
};

}  // namespace shardfs
