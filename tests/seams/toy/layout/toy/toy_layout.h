// The layout `toy`: a file for each tensor, dealt to ranks one by one, and a text that lists them. The tests of the
// seams add it to the program as a stranger would.
#pragma once

#include "shardfs/layout/layout.h"

namespace shardfs {

class ToyLayout final : public Layout {
 public:
  std::string_view name() const override { return "toy"; }
  std::string_view summary() const override { return "a file for each tensor, dealt to ranks one by one"; }
  std::span<const OptionSpec> options() const override;
  Result<View> Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                     const ViewContext& context) const override;
};

}  // namespace shardfs
