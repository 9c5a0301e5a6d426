// MindieLayout: the directory that MindIE-LLM's weight_sharder writes for DeepSeek-V2/V3/R1, byte for byte
// (spec/mindie-weight-sharder.md), or the variant of it that MindIE's loader reads right
// (spec/mindie-loader-variant.md). All weight kinds that the reference writes; what it loses data on is refused.
#pragma once

#include "shardfs/layout/layout.h"

namespace shardfs {

class MindieLayout final : public Layout {
 public:
  std::string_view name() const override { return "mindie"; }
  std::vector<std::string_view> option_names() const override;
  Result<LayoutResult> Build(std::shared_ptr<const Checkpoint> checkpoint, const LayoutOptions& options) const override;

 private:
  // What Build gives, before a refusal is explained.
  Result<LayoutResult> BuildView(std::shared_ptr<const Checkpoint> checkpoint, const LayoutOptions& options) const;
};

}  // namespace shardfs
