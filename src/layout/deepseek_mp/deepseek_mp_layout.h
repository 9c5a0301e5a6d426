// The layout `deepseek-mp`: DeepSeek's own model{i}-mp{N}.safetensors, as its convert.py writes them.
// Source: spec/deepseek-mp.md.
#pragma once

#include "shardfs/layout/layout.h"

namespace shardfs {

class DeepseekMpLayout final : public Layout {
 public:
  std::string_view name() const override { return "deepseek-mp"; }
  std::string_view summary() const override { return "DeepSeek's own model{i}-mp{N}.safetensors"; }
  std::span<const OptionSpec> options() const override;
  Result<View> Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                     const ViewContext& context) const override;
};

}  // namespace shardfs
