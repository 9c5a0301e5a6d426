#include "transform/lora_state_dict.h"

#include <algorithm>
#include <utility>

#include "tensor/ops/cast.h"

namespace shardfs {
namespace {

// B of a convolution is [out, r, 1, 1], and its ones are no axes of the weight's rows.
Result<TensorPtr> WithoutOnes(TensorPtr b, std::span<const LoraAxis> axes) {
  const auto rows = static_cast<std::size_t>(std::count(axes.begin(), axes.end(), LoraAxis::kRowsOfB));
  if (b->shape().size() == rows + 1) return b;
  Shape shape(b->shape().begin(), b->shape().begin() + static_cast<std::ptrdiff_t>(rows) + 1);
  return Tensor::Reshape(std::move(b), std::move(shape));
}

Result<TensorPtr> Apply(const LoraChange& change, TensorPtr tensor) {
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr b, change.from->Build(change.b));
  const auto scaling = static_cast<float>(change.scaling);
  switch (change.kind) {
    case LoraChange::Kind::kReplace:
      if (b->dtype() == tensor->dtype()) return b;
      return ops::Cast(std::move(b), tensor->dtype());
    case LoraChange::Kind::kAddBias:
      return ops::LoraAddBias(std::move(tensor), std::move(b), scaling);
    case LoraChange::Kind::kMerge:
      break;
  }
  SHARDFS_ASSIGN_OR_RETURN(b, WithoutOnes(std::move(b), change.axes));
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr a, change.from->Build(change.a));
  return ops::LoraAdd(std::move(tensor), {std::move(b), std::move(a), change.axes, scaling, change.rounds_product});
}

}  // namespace

LoraStateDict::LoraStateDict(StateDictPtr input, std::vector<std::uint32_t> kept, LoraChanges changes)
    : input_(std::move(input)), kept_(std::move(kept)), changes_(std::move(changes)) {
  specs_.reserve(kept_.size());
  for (const std::uint32_t index : kept_) specs_.push_back(input_->specs()[index]);
}

std::optional<std::uint32_t> LoraStateDict::Find(std::string_view name) const {
  const auto index = input_->Find(name);
  if (!index) return std::nullopt;
  const auto found = std::lower_bound(kept_.begin(), kept_.end(), *index);
  if (found == kept_.end() || *found != *index) return std::nullopt;
  return static_cast<std::uint32_t>(found - kept_.begin());
}

Result<TensorPtr> LoraStateDict::Build(std::uint32_t index) const {
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr tensor, input_->Build(kept_[index]));
  const auto changes = changes_.find(kept_[index]);
  if (changes == changes_.end()) return tensor;
  for (const LoraChange& change : changes->second) {
    SHARDFS_ASSIGN_OR_RETURN(tensor, Apply(change, std::move(tensor)));
  }
  return tensor;
}

}  // namespace shardfs
