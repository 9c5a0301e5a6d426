// The transform `select`: takes tensors away, renumbers layers, renames.
// Source: spec/huggingface-view.md, section 3.
#pragma once

#include "shardfs/transform/transform.h"

namespace shardfs {

class SelectTransform final : public Transform {
 public:
  std::string_view name() const override { return "select"; }
  std::string_view summary() const override { return "takes tensors away, renumbers layers, renames tensors"; }
  std::span<const OptionSpec> options() const override;
  bool IsAskedFor(const OptionValues& values) const override;
  Result<CheckpointPtr> Apply(const CheckpointPtr& checkpoint, const OptionValues& values,
                              const TransformContext& context) const override;
};

}  // namespace shardfs
