// The tensors that one linear of a rank has, weight and companions, in the order in which the reference registers them.
// Source: spec/mindie-weight-sharder.md, section 3.5; spec/mindie-loader-variant.md, section 1, rule 2.
//
// Free functions over immutable inputs; thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "layout/mindie/deepseek_weights.h"
#include "layout/mindie/linear_resolver.h"
#include "layout/mindie/tensor_rules.h"
#include "tensor/ops/observe.h"

namespace shardfs {

// A tensor of a linear: ".weight", ".weight_scale".
struct LinearTensor {
  std::string_view suffix;  // a literal
  TensorPtr tensor;
};

// How a linear is cut.
struct LinearCut {
  LinearRole role = LinearRole::kReplicated;
  SplitGroup group;
  std::uint64_t rope_block = 0;  // rows per block of the rope permutation; 0: none
  std::uint64_t rope = 0;
};

struct LinearRules {
  const Checkpoint* checkpoint = nullptr;          // whose tensors the linears are
  Dtype dtype = Dtype::kBF16;                      // of the model
  bool negate_offsets = true;                      // sharder's bytes; the loader negates them itself
  std::shared_ptr<const ReadObserver> on_offsets;  // sees every negated offset; may be null
};

// The one value that packed W8A8 linears (gate and up) have in common: `companion` of the first, read behind a check
// that those of the others agree with it. input_offset is truncated to an I8. `source` gives the expression of a
// tensor.
using LinearCompanion = const TensorSpec* LinearWeights::*;
Result<TensorPtr> SharedValue(std::span<const LinearWeights* const> packed, LinearCompanion companion, Dtype dtype,
                              const std::function<Result<TensorPtr>(const TensorSpec&)>& source);

// `packed`: the linears whose rows stand one behind the other in the output (gate and up), or one. All of one kind.
Result<std::vector<LinearTensor>> BuildLinear(std::span<const LinearWeights* const> packed, const LinearCut& cut,
                                              const LinearRules& rules);

// The same of many experts, stacked on a new axis 0: packed[e] are the linears of expert e.
Result<std::vector<LinearTensor>> BuildStackedLinear(std::span<const std::vector<const LinearWeights*>> packed,
                                                     const LinearCut& cut, const LinearRules& rules);

}  // namespace shardfs
