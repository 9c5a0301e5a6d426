// The transform `dequantize`: E4M3 codes with a scale for each block, shown as BF16.
// Source: spec/fp8-to-bf16.md.
#pragma once

#include "shardfs/transform/transform.h"

namespace shardfs {

class DequantizeTransform final : public Transform {
 public:
  std::string_view name() const override { return "dequantize"; }
  std::string_view summary() const override { return "shows FP8 weights with block scales as BF16"; }
  std::span<const OptionSpec> options() const override;
  bool IsAskedFor(const OptionValues& values) const override;
  Result<CheckpointPtr> Apply(const CheckpointPtr& checkpoint, const OptionValues& values,
                              const TransformContext& context) const override;
};

}  // namespace shardfs
