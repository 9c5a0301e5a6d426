#include "layout/mindie/linear_tensors.h"
#include "layout/mindie/reader/mindie_reader.h"
#include "tensor/ops/arithmetic.h"
#include "tensor/ops/cast.h"
#include "tensor/ops/observe.h"
#include "tensor/ops/require_close.h"
#include "tensor/ops/to_integers.h"

#include <fmt/format.h>

#include <algorithm>

namespace shardfs {
namespace {

using Companion = LinearCompanion;

// Casts to the model's dtype, one conversion above all experts where they agree in dtype.
Result<TensorPtr> StackAndCast(std::vector<TensorPtr> parts, Dtype dtype) {
  const bool same = std::all_of(parts.begin(), parts.end(),
                                [&](const TensorPtr& part) { return part->dtype() == parts.front()->dtype(); });
  if (!same) {
    for (TensorPtr& part : parts) {
      SHARDFS_ASSIGN_OR_RETURN(part, ops::Cast(std::move(part), dtype));
    }
  }
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr stacked, Tensor::Stack(std::move(parts), 0));
  return IsFloat(stacked->dtype()) ? ops::Cast(std::move(stacked), dtype) : stacked;
}

// Builds the tensors of one linear, or of a stack of experts. A stack is built from each expert's raw slices, and
// arithmetic is put on top of it: the operations are element by element, so the order does not matter to the result.
class LinearBuilder {
 public:
  LinearBuilder(std::span<const std::vector<const LinearWeights*>> experts, bool stacked, const LinearCut& cut,
                const LinearRules& rules)
      : experts_(experts), stacked_(stacked), cut_(cut), rules_(rules), kind_(experts.front().front()->kind) {}

  Result<std::vector<LinearTensor>> Build() {
    switch (kind_) {
      case LinearKind::kFloat:
        SHARDFS_RETURN_IF_ERROR(Add(".weight", WeightOf(rules_.dtype)));
        break;
      case LinearKind::kW8A8:
        SHARDFS_RETURN_IF_ERROR(AddStatic());
        break;
      case LinearKind::kW8A8Dynamic:
      case LinearKind::kW8A16:
        SHARDFS_RETURN_IF_ERROR(AddDynamic());
        break;
      case LinearKind::kW4A8Dynamic:
        SHARDFS_RETURN_IF_ERROR(AddW4A8());
        break;
    }
    return std::move(tensors_);
  }

 private:
  Status Add(std::string_view suffix, Result<TensorPtr> tensor) {
    if (!tensor.ok()) return tensor.status().WithContext(suffix);
    tensors_.push_back({suffix, std::move(tensor).value()});
    return Status::Ok();
  }

  // One expert's companion: each packed linear's slice along `axis`, one behind the other along axis 0.
  Result<TensorPtr> Packed(const std::vector<const LinearWeights*>& packed, Companion companion, bool split,
                           std::uint64_t axis) const {
    std::vector<TensorPtr> parts;
    for (const LinearWeights* linear : packed) {
      SHARDFS_ASSIGN_OR_RETURN(TensorPtr part, rules_.checkpoint->Build(*(linear->*companion)));
      if (split) {
        SHARDFS_ASSIGN_OR_RETURN(part, Shard(std::move(part), axis, cut_.group));
      }
      parts.push_back(std::move(part));
    }
    const bool same =
        std::all_of(parts.begin(), parts.end(), [&](const TensorPtr& p) { return p->dtype() == parts[0]->dtype(); });
    for (TensorPtr& part : parts) {
      if (!same) {
        SHARDFS_ASSIGN_OR_RETURN(part, ops::Cast(std::move(part), rules_.dtype));
      }
    }
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr joined, Tensor::Concat(std::move(parts), 0));
    if (cut_.rope_block == 0) return joined;
    return PermuteRopeRows(std::move(joined), cut_.rope_block, cut_.rope);
  }

  // All experts' companions; floats are cast to `dtype`.
  Result<TensorPtr> Gathered(Companion companion, bool split, std::uint64_t axis, Dtype dtype) const {
    std::vector<TensorPtr> parts;
    for (const auto& packed : experts_) {
      SHARDFS_ASSIGN_OR_RETURN(TensorPtr part, Packed(packed, companion, split, axis));
      parts.push_back(std::move(part));
    }
    if (stacked_) return StackAndCast(std::move(parts), dtype);
    if (!IsFloat(parts[0]->dtype())) return std::move(parts[0]);
    return ops::Cast(std::move(parts[0]), dtype);
  }

  bool Splits() const { return cut_.role == LinearRole::kColumn || cut_.role == LinearRole::kRow; }
  bool IsColumn() const { return cut_.role == LinearRole::kColumn; }

  Result<TensorPtr> WeightOf(Dtype dtype) const {
    return Gathered(&LinearWeights::weight, Splits(), IsColumn() ? 0 : 1, dtype);
  }

  // A companion with an element per output row: sliced like the rows of a column-parallel weight, else whole.
  Result<TensorPtr> PerRow(Companion companion, Dtype dtype) const { return Gathered(companion, IsColumn(), 0, dtype); }

  // ---- W8A8 ----

  Status AddStatic() {
    SHARDFS_RETURN_IF_ERROR(Add(".weight", WeightOf(rules_.dtype)));
    SHARDFS_RETURN_IF_ERROR(Add(".input_scale", InputScale()));
    SHARDFS_RETURN_IF_ERROR(Add(".input_offset", InputOffset()));
    SHARDFS_RETURN_IF_ERROR(Add(".deq_scale", DeqScale()));
    return Add(".quant_bias", QuantBias());
  }

  // One value per expert, or the one of the linear.
  Result<TensorPtr> Shared(Companion companion) const {
    std::vector<TensorPtr> parts;
    for (const auto& packed : experts_) {
      SHARDFS_ASSIGN_OR_RETURN(TensorPtr value, SharedValue(packed, companion, rules_.dtype, [this](const TensorSpec& tensor) {
                                 return rules_.checkpoint->Build(tensor);
                               }));
      parts.push_back(std::move(value));
    }
    if (!stacked_) return std::move(parts[0]);
    return Tensor::Stack(std::move(parts), 0);
  }

  Result<TensorPtr> InputScale() const { return Shared(&LinearWeights::input_scale); }
  Result<TensorPtr> InputOffset() const { return Shared(&LinearWeights::input_offset); }

  Result<TensorPtr> DeqScale() const {
    const TensorSpec& first = *experts_.front().front()->deq_scale;
    const Dtype source = first.dtype;
    // It keeps its dtype, so one tensor cannot be made of several.
    for (const auto& packed : experts_) {
      for (const LinearWeights* linear : packed) {
        if (linear->deq_scale->dtype == source) continue;
        return Status::NotSupported(fmt::format("{} is {}, but {} is {}; they are packed into one tensor", first.name,
                                                DtypeName(source), linear->deq_scale->name,
                                                DtypeName(linear->deq_scale->dtype)));
      }
    }
    // BF16 models keep what the source has; F16 models want the bits of an F32 in an I64 (the reference forgets to for
    // stacked column-parallel experts, and flattens the other stacks).
    if (rules_.dtype == Dtype::kBF16 || !IsFloat(source)) return PerRow(&LinearWeights::deq_scale, source);
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr scale, PerRow(&LinearWeights::deq_scale, Dtype::kF16));
    if (stacked_ && IsColumn()) return scale;
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr bits, ops::F32BitsToI64(std::move(scale)));
    const std::uint64_t elements = bits->elements();
    return Tensor::Reshape(std::move(bits), {elements});
  }

  // A row-parallel bias is added on every rank before their sum: it must count once.
  Result<TensorPtr> QuantBias() const {
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr bias, PerRow(&LinearWeights::quant_bias, rules_.dtype));
    if (cut_.role != LinearRole::kRow || cut_.group.rank == 0) return bias;
    return Tensor::Zeros(bias->dtype(), bias->shape());
  }

  // ---- W8A8_DYNAMIC and W8A16 ----

  // Two-dimensional linears of W8A8_DYNAMIC have their scales flattened.
  Result<TensorPtr> Flattened(Result<TensorPtr> tensor) const {
    if (!tensor.ok() || stacked_ || kind_ != LinearKind::kW8A8Dynamic) return tensor;
    const std::uint64_t elements = (*tensor)->elements();
    return Tensor::Reshape(std::move(tensor).value(), {elements});
  }

  Status AddDynamic() {
    SHARDFS_RETURN_IF_ERROR(Add(".weight", WeightOf(rules_.dtype)));
    Result<TensorPtr> scale = PerRow(&LinearWeights::weight_scale, rules_.dtype);
    if (scale.ok() && kind_ == LinearKind::kW8A8Dynamic && rules_.dtype == Dtype::kF16) {
      scale = ops::Cast(std::move(scale).value(), Dtype::kF32);
    }
    SHARDFS_RETURN_IF_ERROR(Add(".weight_scale", Flattened(std::move(scale))));
    Result<TensorPtr> offset = PerRow(&LinearWeights::weight_offset, rules_.dtype);
    if (offset.ok() && rules_.negate_offsets) {
      offset = ops::Negate(std::move(offset).value());
      if (offset.ok() && rules_.on_offsets != nullptr) {
        offset = ops::Observe(std::move(offset).value(), rules_.on_offsets);
      }
    }
    return Add(".weight_offset", Flattened(std::move(offset)));
  }

  // ---- W4A8_DYNAMIC: stacks only ----

  Status AddW4A8() {
    Result<TensorPtr> weight = WeightOf(rules_.dtype);
    if (weight.ok()) weight = Tensor::Permute(std::move(weight).value(), {0, 2, 1});
    SHARDFS_RETURN_IF_ERROR(Add(".weight", std::move(weight)));
    SHARDFS_RETURN_IF_ERROR(Add(".weight_scale", W4A8Scale()));
    SHARDFS_RETURN_IF_ERROR(CheckW4A8Aligns());
    return Add(".bias", W4A8Bias());
  }

  // Weights are split by packed pairs of rows and scales by rows, weights by columns and their scales by groups of
  // columns: where padding makes them differ, the reference writes scales that belong to other weights.
  Status CheckW4A8Aligns() const {
    const std::uint64_t weight_rows = 2 * tensors_[0].tensor->shape()[2];
    const std::uint64_t scale_rows = tensors_[1].tensor->shape()[2];
    if (weight_rows != scale_rows) {
      return Status::InvalidArgument(
          fmt::format("split over {} ranks, a rank's packed weights have {} rows and its scales {}, so they would not "
                      "belong together",
                      cut_.group.size, weight_rows, scale_rows));
    }
    if (IsColumn()) return Status::Ok();
    SHARDFS_RETURN_IF_ERROR(CheckSumsCanBeCut(*experts_.front().front()->scale_bias));
    const TensorSpec* second = experts_.front().front()->weight_scale_second;
    if (second == nullptr) return Status::Ok();
    const std::uint64_t groups = second->shape[1];
    if (groups % cut_.group.size == 0 || cut_.group.size % groups == 0) return Status::Ok();
    return Status::InvalidArgument(fmt::format("{} has {} groups, which {} ranks cannot share without cutting one",
                                               second->name, groups, cut_.group.size));
  }

  // A merged checkpoint has one column for each rank that split the experts before, which no slice can part again.
  Status CheckSumsCanBeCut(const TensorSpec& bias) const {
    if (bias.shape[1] % cut_.group.size == 0 || ShardsOf(*rules_.checkpoint).empty()) return Status::Ok();
    return Status::InvalidArgument(
        fmt::format("{}: {} partial sums cannot be cut for {} ranks; choose a moe_tp that divides {}, or shard the full "
                    "checkpoint",
                    bias.name, bias.shape[1], cut_.group.size, bias.shape[1]));
  }

  // [E, n, G]: the scale of each row, times that of each of its groups if there are groups.
  Result<TensorPtr> W4A8Scale() const {
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr scale, PerRow(&LinearWeights::weight_scale, rules_.dtype));
    if (experts_.front().front()->weight_scale_second != nullptr) {
      SHARDFS_ASSIGN_OR_RETURN(TensorPtr second,
                               Gathered(&LinearWeights::weight_scale_second, true, IsColumn() ? 0 : 1, rules_.dtype));
      const std::vector<std::uint64_t> repeated(second->shape()[2], 0);
      SHARDFS_ASSIGN_OR_RETURN(scale, Tensor::RowGather(std::move(scale), 2, repeated));
      SHARDFS_ASSIGN_OR_RETURN(scale, ops::Multiply(std::move(scale), std::move(second)));
    }
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr bits, ops::F16RoundedBitsToI64(std::move(scale)));
    return Tensor::Permute(std::move(bits), {0, 2, 1});
  }

  // The sum over the columns of scale_bias, in the order in which torch adds them: 16 columns as two halves added
  // pairwise first, fewer from left to right.
  Result<TensorPtr> W4A8Bias() const {
    SHARDFS_ASSIGN_OR_RETURN(const TensorPtr bias,
                             Gathered(&LinearWeights::scale_bias, true, IsColumn() ? 0 : 1, Dtype::kF32));
    const std::uint64_t columns = bias->shape()[2];
    std::vector<TensorPtr> addends;
    for (std::uint64_t column = 0; column < columns; ++column) {
      SHARDFS_ASSIGN_OR_RETURN(TensorPtr addend, Tensor::Slice(bias, 2, column, column + 1));
      SHARDFS_ASSIGN_OR_RETURN(addend, Tensor::Reshape(std::move(addend), {bias->shape()[0], bias->shape()[1]}));
      addends.push_back(std::move(addend));
    }
    if (addends.size() == 16) {
      for (std::size_t i = 0; i < 8; ++i) {
        SHARDFS_ASSIGN_OR_RETURN(addends[i], ops::Add(addends[i], addends[i + 8]));
      }
      addends.resize(8);
    }
    TensorPtr sum = addends.front();
    for (std::size_t i = 1; i < addends.size(); ++i) {
      SHARDFS_ASSIGN_OR_RETURN(sum, ops::Add(std::move(sum), addends[i]));
    }
    return sum;
  }

  const std::span<const std::vector<const LinearWeights*>> experts_;
  const bool stacked_;
  const LinearCut& cut_;
  const LinearRules& rules_;
  const LinearKind kind_;
  std::vector<LinearTensor> tensors_;
};

}  // namespace

Result<TensorPtr> SharedValue(std::span<const LinearWeights* const> packed, LinearCompanion companion, Dtype dtype,
                              const std::function<Result<TensorPtr>(const TensorSpec&)>& source) {
  TensorPtr kept;
  for (const LinearWeights* linear : packed) {
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr value, source(*(linear->*companion)));
    if (IsFloat(value->dtype())) {
      SHARDFS_ASSIGN_OR_RETURN(value, ops::Cast(std::move(value), dtype));
      if (companion == &LinearWeights::input_offset) {
        SHARDFS_ASSIGN_OR_RETURN(value, ops::TruncateToI8(std::move(value)));
      }
    }
    if (kept != nullptr) {
      SHARDFS_ASSIGN_OR_RETURN(value, ops::RequireClose(std::move(kept), std::move(value)));
    }
    kept = std::move(value);
  }
  return kept;
}

Result<std::vector<LinearTensor>> BuildLinear(std::span<const LinearWeights* const> packed, const LinearCut& cut,
                                              const LinearRules& rules) {
  const std::vector<std::vector<const LinearWeights*>> one = {{packed.begin(), packed.end()}};
  return LinearBuilder(one, false, cut, rules).Build();
}

Result<std::vector<LinearTensor>> BuildStackedLinear(std::span<const std::vector<const LinearWeights*>> packed,
                                                     const LinearCut& cut, const LinearRules& rules) {
  return LinearBuilder(packed, true, cut, rules).Build();
}

}  // namespace shardfs
