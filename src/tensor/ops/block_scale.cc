// A block along an axis is a size and how much of the first block is missing in front: index i has the scale
// (i + missing) / size. That stays so under slices and permutations, which are pushed to codes and scales alike. A row
// gather gives each row a block of its own, by gathering its scale. A reshape keeps blocks where the innermost axes of
// the two shapes are cut at whole blocks, and gives each index its own scale where they are not. So whatever is cut,
// a read takes the codes of its range, in one run, and the scales of the rows that they stand in.
#include "tensor/ops/block_scale.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "tensor/operation.h"
#include "tensor/ops/axis_groups.h"
#include "tensor/ops/block_scale_kernel.h"

namespace shardfs::ops {
namespace {

class ScaledBlocks final : public Operation {
 public:
  ScaledBlocks(std::vector<BlockAxis> axes, Dtype scale_dtype, std::shared_ptr<const NanReport> on_nan)
      : axes_(std::move(axes)), scale_dtype_(scale_dtype), on_nan_(std::move(on_nan)) {}

  std::string_view name() const override { return "block scale"; }

  Result<Output> Infer(std::span<const TensorPtr> inputs) const override {
    const Tensor& codes = *inputs[0];
    const Tensor& scales = *inputs[1];
    bool fits = codes.shape().size() == axes_.size() && scales.shape().size() == axes_.size();
    for (std::size_t a = 0; fits && a < axes_.size(); ++a) {
      fits = axes_[a].size > 0 && scales.shape()[a] == axes_[a].Blocks(codes.shape()[a]);
    }
    if (fits) return Output{Dtype::kBF16, codes.shape()};
    return Status::InvalidArgument(
        fmt::format("scales of {} for blocks of a tensor of {}", DescribeTensor(scales), DescribeTensor(codes)));
  }

  bool KeepsZero() const override { return true; }

  std::optional<Pushed> Push(const Movement& movement, std::span<const Shape> shapes) const override {
    switch (movement.kind) {
      case Movement::Kind::kSlice:
        return PushSlice(movement);
      case Movement::Kind::kPermute:
        return PushPermute(movement);
      case Movement::Kind::kRowGather:
        return PushRowGather(movement);
      case Movement::Kind::kReshape:
        return PushReshape(movement, shapes[0], shapes[1]);
    }
    return std::nullopt;
  }

  bool IsJoinable() const override { return true; }

  bool Joins(const Operation& next, std::uint64_t axis, std::span<const Shape> shapes) const override {
    const auto* const other = dynamic_cast<const ScaledBlocks*>(&next);
    if (other == nullptr || other->scale_dtype_ != scale_dtype_ || other->axes_.size() != axes_.size()) return false;
    for (std::size_t a = 0; a < axes_.size(); ++a) {
      if (axes_[a].size != other->axes_[a].size) return false;
      if (a != axis && axes_[a].missing != other->axes_[a].missing) return false;
    }
    return other->axes_[axis].missing == 0 && (shapes[0][axis] + axes_[axis].missing) % axes_[axis].size == 0;
  }

  std::shared_ptr<const ComputeKernel> MakeKernel(std::vector<ReadPlan> inputs,
                                                  std::span<const Shape> shapes) const override {
    return std::make_shared<const BlockScaleKernel>(std::move(inputs[0]), std::move(inputs[1]), shapes[0], shapes[1],
                                                    axes_, scale_dtype_, on_nan_);
  }

 private:
  std::shared_ptr<const Operation> With(std::vector<BlockAxis> axes) const {
    return std::make_shared<const ScaledBlocks>(std::move(axes), scale_dtype_, on_nan_);
  }

  Pushed PushSlice(const Movement& movement) const {
    std::vector<BlockAxis> axes = axes_;
    BlockAxis& axis = axes[movement.axis];
    const std::uint64_t first = axis.BlockOf(movement.begin);
    const std::uint64_t last = axis.BlockOf(movement.begin + movement.count - 1);
    axis.missing = (movement.begin + axis.missing) % axis.size;
    return {With(std::move(axes)), {{movement}, {Movement::Slice(movement.axis, first, last - first + 1)}}};
  }

  Pushed PushPermute(const Movement& movement) const {
    std::vector<BlockAxis> axes;
    for (const std::uint64_t axis : movement.indices) axes.push_back(axes_[axis]);
    return {With(std::move(axes)), {{movement}, {movement}}};
  }

  Pushed PushRowGather(const Movement& movement) const {
    std::vector<BlockAxis> axes = axes_;
    std::vector<std::uint64_t> blocks;
    for (const std::uint64_t row : movement.indices) blocks.push_back(axes_[movement.axis].BlockOf(row));
    axes[movement.axis] = {};
    return {With(std::move(axes)), {{movement}, {Movement::RowGather(movement.axis, blocks)}}};
  }

  // A scale for each index of the axis.
  void Spread(std::size_t axis, std::uint64_t size, std::vector<BlockAxis>* axes, std::vector<Movement>* moves) const {
    if ((*axes)[axis].size == 1) return;
    std::vector<std::uint64_t> blocks(size);
    for (std::uint64_t i = 0; i < size; ++i) blocks[i] = (*axes)[axis].BlockOf(i);
    moves->push_back(Movement::RowGather(axis, blocks));
    (*axes)[axis] = {};
  }

  Pushed PushReshape(const Movement& movement, const Shape& from, const Shape& scales) const;

  std::vector<BlockAxis> axes_;
  Dtype scale_dtype_;
  std::shared_ptr<const NanReport> on_nan_;
};

Operation::Pushed ScaledBlocks::PushReshape(const Movement& movement, const Shape& from, const Shape& scales) const {
  const Shape& to = movement.indices;
  std::vector<BlockAxis> axes = axes_;
  std::vector<BlockAxis> result(to.size());
  std::vector<Movement> moves;
  Shape scale_shape(to.size(), 1);
  for (const AxisGroup& group : GroupAxes(from, to)) {
    if (group.from_count == 0 || group.to_count == 0) continue;  // of size 1: one scale
    if (group.from_count == 1 && group.to_count == 1) {
      result[group.to] = axes_[group.from];
      scale_shape[group.to] = scales[group.from];
      continue;
    }
    const std::size_t inner_from = group.from + group.from_count - 1;
    const std::size_t inner_to = group.to + group.to_count - 1;
    const BlockAxis inner = axes_[inner_from];
    const bool keeps_blocks =
        inner.missing == 0 && from[inner_from] % inner.size == 0 && to[inner_to] % inner.size == 0;
    for (std::size_t a = group.from; a <= inner_from; ++a) {
      if (a != inner_from || !keeps_blocks) Spread(a, from[a], &axes, &moves);
    }
    for (std::size_t a = group.to; a <= inner_to; ++a) scale_shape[a] = to[a];
    if (keeps_blocks) {
      result[inner_to] = inner;
      scale_shape[inner_to] = to[inner_to] / inner.size;
    }
  }
  moves.push_back(Movement::Reshape(scale_shape));
  return {With(std::move(result)), {{movement}, std::move(moves)}};
}

}  // namespace

Result<TensorPtr> BlockScale(TensorPtr codes, TensorPtr scales, Shape block, NanReport on_nan) {
  if (codes->dtype() != Dtype::kF8E4M3) {
    return Status::NotSupported(fmt::format("block scale of a tensor of {}", DescribeTensor(*codes)));
  }
  if (!IsScaleDtype(scales->dtype())) {
    return Status::NotSupported(fmt::format("block scale by a tensor of {}", DescribeTensor(*scales)));
  }
  std::vector<BlockAxis> axes;
  for (const std::uint64_t size : block) axes.push_back({size, 0});
  const Dtype scale_dtype = scales->dtype();
  auto report = on_nan ? std::make_shared<const NanReport>(std::move(on_nan)) : nullptr;
  return Tensor::Apply(std::make_shared<const ScaledBlocks>(std::move(axes), scale_dtype, std::move(report)),
                       {std::move(codes), std::move(scales)});
}

}  // namespace shardfs::ops
