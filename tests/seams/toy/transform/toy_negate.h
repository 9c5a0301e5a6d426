// The transform `toy-negate`: flips the sign of every element. The tests of the seams add it to the program as a
// stranger would.
#pragma once

#include "shardfs/transform/transform.h"

namespace shardfs {

class ToyNegateTransform final : public Transform {
 public:
  std::string_view name() const override { return "toy-negate"; }
  std::string_view summary() const override { return "flips the sign of every element"; }
  std::span<const OptionSpec> options() const override;
  bool IsAskedFor(const OptionValues& values) const override;
  Result<CheckpointPtr> Apply(const CheckpointPtr& checkpoint, const OptionValues& values,
                              const TransformContext& context) const override;
};

}  // namespace shardfs
