// Each axis of the weight is counted by the rows of B or by the columns of A. A slice, a row gather or a permutation of
// the merged weight is the same of the weight and of the factor that the axis belongs to, so what is cut needs its own
// rows of B, its own columns of A and all of the rank. So is a reshape that splits or joins axes of one factor; one
// that joins axes of both moves the bytes that were computed.
#include "tensor/ops/lora_add.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "tensor/operation.h"
#include "tensor/ops/axis_groups.h"

namespace shardfs::ops {
namespace {

constexpr std::size_t kWeight = 0, kB = 1, kA = 2;

class LoraSum final : public Operation {
 public:
  struct Dtypes {
    Dtype weight = Dtype::kF32;
    Dtype b = Dtype::kF32;
    Dtype a = Dtype::kF32;
  };
  LoraSum(std::vector<LoraAxis> axes, Dtypes dtypes, LoraRule rule)
      : axes_(std::move(axes)), dtypes_(dtypes), rule_(rule) {}

  std::string_view name() const override { return "LoRA sum"; }

  Result<Output> Infer(std::span<const TensorPtr> inputs) const override {
    const Tensor& weight = *inputs[kWeight];
    const Shape& b = inputs[kB]->shape();
    const Shape& a = inputs[kA]->shape();
    bool fits =
        weight.shape().size() == axes_.size() && !b.empty() && !a.empty() && b.back() == a.front() && a.front() > 0;
    if (fits) fits = FactorShape(weight.shape(), LoraAxis::kRowsOfB, b.back()) == b;
    if (fits) fits = FactorShape(weight.shape(), LoraAxis::kColumnsOfA, a.front()) == a;
    if (fits) return Output{weight.dtype(), weight.shape()};
    return Status::InvalidArgument(fmt::format("LoRA factors B of {} and A of {} for a tensor of {}",
                                               DescribeTensor(*inputs[kB]), DescribeTensor(*inputs[kA]),
                                               DescribeTensor(weight)));
  }

  // A zero times an infinite scale is NaN.
  bool KeepsZero() const override { return std::isfinite(rule_.scale); }

  std::optional<Pushed> Push(const Movement& movement, std::span<const Shape> shapes) const override {
    switch (movement.kind) {
      case Movement::Kind::kSlice:
      case Movement::Kind::kRowGather:
        return PushAlongAxis(movement);
      case Movement::Kind::kPermute:
        return PushPermute(movement);
      case Movement::Kind::kReshape:
        return PushReshape(movement, shapes[kWeight], shapes[kB].back());
    }
    return std::nullopt;
  }

  std::shared_ptr<const ComputeKernel> MakeKernel(std::vector<ReadPlan> inputs,
                                                  std::span<const Shape> shapes) const override {
    const std::uint64_t rank = shapes[kA].front();
    LoraFactor b(std::move(inputs[kB]), dtypes_.b, LoraFactor::Order::kPlaceByPlace,
                 Places(shapes[kWeight], LoraAxis::kRowsOfB), rank);
    LoraFactor a(std::move(inputs[kA]), dtypes_.a, LoraFactor::Order::kRankByRank,
                 Places(shapes[kWeight], LoraAxis::kColumnsOfA), rank);
    return std::make_shared<const LoraAddKernel>(std::move(inputs[kWeight]), dtypes_.weight, shapes[kWeight], axes_,
                                                 std::move(b), std::move(a), rule_);
  }

 private:
  std::shared_ptr<const Operation> With(std::vector<LoraAxis> axes) const {
    return std::make_shared<const LoraSum>(std::move(axes), dtypes_, rule_);
  }

  std::uint64_t Places(const Shape& weight, LoraAxis factor) const {
    std::uint64_t places = 1;
    for (std::size_t i = 0; i < axes_.size(); ++i) places *= axes_[i] == factor ? weight[i] : 1;
    return places;
  }

  // The shape of a factor of a weight of shape `weight`: B's rank is its last axis, A's its first.
  Shape FactorShape(const Shape& weight, LoraAxis factor, std::uint64_t rank) const {
    return FactorShapeOf(weight, axes_, factor, rank);
  }
  static Shape FactorShapeOf(const Shape& weight, std::span<const LoraAxis> axes, LoraAxis factor, std::uint64_t rank) {
    Shape shape;
    if (factor == LoraAxis::kColumnsOfA) shape.push_back(rank);
    for (std::size_t i = 0; i < axes.size(); ++i) {
      if (axes[i] == factor) shape.push_back(weight[i]);
    }
    if (factor == LoraAxis::kRowsOfB) shape.push_back(rank);
    return shape;
  }

  // The place of the weight's axis among those of its factor.
  std::uint64_t AxisInFactor(std::size_t axis) const {
    std::uint64_t place = axes_[axis] == LoraAxis::kColumnsOfA ? 1 : 0;
    for (std::size_t i = 0; i < axis; ++i) place += axes_[i] == axes_[axis] ? 1 : 0;
    return place;
  }

  Pushed PushAlongAxis(const Movement& movement) const {
    Movement of_factor = movement;
    of_factor.axis = AxisInFactor(movement.axis);
    Pushed pushed{nullptr, {{movement}, {}, {}}};
    pushed.inputs[axes_[movement.axis] == LoraAxis::kRowsOfB ? kB : kA].push_back(std::move(of_factor));
    return pushed;
  }

  Pushed PushPermute(const Movement& movement) const {
    std::vector<LoraAxis> axes;
    std::vector<std::uint64_t> b;
    std::vector<std::uint64_t> a = {0};
    for (const std::uint64_t axis : movement.indices) {
      axes.push_back(axes_[axis]);
      (axes_[axis] == LoraAxis::kRowsOfB ? b : a).push_back(AxisInFactor(axis));
    }
    b.push_back(b.size());
    return {With(std::move(axes)), {{movement}, {Movement::Permute(b)}, {Movement::Permute(a)}}};
  }

  std::optional<Pushed> PushReshape(const Movement& movement, const Shape& from, std::uint64_t rank) const {
    const Shape& to = movement.indices;
    std::vector<LoraAxis> axes(to.size(), LoraAxis::kRowsOfB);  // one of size 1 may be either's
    for (const AxisGroup& group : GroupAxes(from, to)) {
      if (group.from_count == 0) continue;
      for (std::size_t i = 1; i < group.from_count; ++i) {
        if (axes_[group.from + i] != axes_[group.from]) return std::nullopt;
      }
      for (std::size_t i = 0; i < group.to_count; ++i) axes[group.to + i] = axes_[group.from];
    }
    const Shape b = FactorShapeOf(to, axes, LoraAxis::kRowsOfB, rank);
    const Shape a = FactorShapeOf(to, axes, LoraAxis::kColumnsOfA, rank);
    return Pushed{With(std::move(axes)), {{movement}, {Movement::Reshape(b)}, {Movement::Reshape(a)}}};
  }

  std::vector<LoraAxis> axes_;
  Dtypes dtypes_;
  LoraRule rule_;
};

Status CheckDtypes(const Tensor& weight, const Tensor& b, const Tensor& a) {
  for (const Tensor* const tensor : {&weight, &b, &a}) {
    if (IsFloat(tensor->dtype())) continue;
    return Status::NotSupported(
        fmt::format("LoRA sum with a tensor of {}, which is not F32, F16 or BF16", DescribeTensor(*tensor)));
  }
  return Status::Ok();
}

Result<TensorPtr> Apply(TensorPtr weight, LoraUpdate update, LoraRule rule) {
  SHARDFS_RETURN_IF_ERROR(CheckDtypes(*weight, *update.b, *update.a));
  const LoraSum::Dtypes dtypes{weight->dtype(), update.b->dtype(), update.a->dtype()};
  return Tensor::Apply(std::make_shared<const LoraSum>(std::move(update.axes), dtypes, rule),
                       {std::move(weight), std::move(update.b), std::move(update.a)});
}

}  // namespace

Result<TensorPtr> LoraAdd(TensorPtr weight, LoraUpdate update) {
  const LoraRule rule{0.0f, update.scaling, update.rounds_product};
  return Apply(std::move(weight), std::move(update), rule);
}

// A sum of one product, b[i] * 1, that begins with -0 is b[i] to the bit, whichever zero that may be.
Result<TensorPtr> LoraAddBias(TensorPtr bias, TensorPtr b, float scaling) {
  Shape shape = b->shape();
  shape.push_back(1);
  SHARDFS_ASSIGN_OR_RETURN(b, Tensor::Reshape(std::move(b), std::move(shape)));
  std::string one(sizeof(float), '\0');
  const float value = 1.0f;
  std::memcpy(one.data(), &value, sizeof value);
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr a, Tensor::Literal(Dtype::kF32, {1}, std::move(one)));
  std::vector<LoraAxis> axes(bias->shape().size(), LoraAxis::kRowsOfB);
  return Apply(std::move(bias), {std::move(b), std::move(a), std::move(axes)}, {-0.0f, scaling, false});
}

}  // namespace shardfs::ops
