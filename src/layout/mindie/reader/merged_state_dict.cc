// A part is a source node at the place of its entry and half, so that most tensors are a concatenation of as many
// source nodes as ranks. What is left (a transpose, rope rows, a conversion) stands above it.
#include "layout/mindie/reader/merged_state_dict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

#include "base/quote_name.h"
#include "layout/mindie/reader/merge_geometry.h"
#include "shardfs/tensor/read_plan.h"
#include "tensor/ops/arithmetic.h"
#include "tensor/ops/cast.h"
#include "tensor/ops/from_integers.h"

namespace shardfs {
namespace {

using Half = MergeRule::Half;
using Step = MergeRule::Step;

std::uint64_t Product(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::uint64_t{1}, std::multiplies<>());
}

// A part's bytes that a rule takes as one run, in its stored orientation.
struct Run {
  Shape shape;
  std::uint64_t offset = 0;  // from the stored tensor's first byte
};

Run RunOf(const TensorInfo& stored, const MergeRule& rule, std::uint64_t local_experts) {
  Run run{stored.shape, 0};
  const std::uint64_t element = DtypeBytes(stored.dtype);
  if (rule.expert != MergeRule::kNone) {
    if (run.shape.size() == 1) {  // a flattened stack
      run.shape[0] /= local_experts;
    } else {
      run.shape.erase(run.shape.begin());
    }
    run.offset = rule.expert * Product(run.shape) * element;
  }
  if (rule.half != Half::kWhole && !rule.is_transposed) {
    run.shape[0] /= 2;
    if (rule.half == Half::kSecond) run.offset += Product(run.shape) * element;
  }
  return run;
}

// All elements 1, without as many bytes in memory.
Result<TensorPtr> OnesInF32(const Shape& shape) {
  constexpr float kOne = 1;
  std::string bytes(sizeof kOne, '\0');
  std::memcpy(bytes.data(), &kOne, sizeof kOne);
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr one, Tensor::Literal(Dtype::kF32, {1, 1}, std::move(bytes)));
  return Tensor::RowGather(std::move(one), 0, std::vector<std::uint64_t>(shape[0], 0));
}

Result<TensorPtr> Apply(Step step, TensorPtr tensor, Dtype dtype) {
  switch (step) {
    case Step::kNone:
    case Step::kOnes:
      return tensor;
    case Step::kCast:
      return ops::Cast(std::move(tensor), dtype);
    case Step::kNegate:
      return ops::Negate(std::move(tensor));
    case Step::kWidenI8:
      return ops::I8ToFloat(std::move(tensor), dtype);
    case Step::kBitsToF32:
      return ops::I64BitsToF32(std::move(tensor));
  }
  return tensor;
}

}  // namespace

void MergedTensors::Add(std::string_view name, Dtype dtype, Shape shape, const MergeRule& rule, std::uint8_t kind) {
  names += name;
  name_ends.push_back(names.size());
  specs.push_back({{}, dtype, std::move(shape)});
  rules.push_back(rule);
  kinds.push_back(kind);
}

Result<Shape> PartShape(const TensorInfo& part, const MergeRule& rule, std::uint64_t local_experts, std::size_t rank) {
  const bool is_stack = rule.expert != MergeRule::kNone;
  const bool is_flat = is_stack && part.shape.size() == 1;
  const bool has_entries =
      !is_stack ||
      (!part.shape.empty() && (is_flat ? part.shape[0] % local_experts == 0 : part.shape[0] == local_experts));
  Shape shape = has_entries ? RunOf(part, rule, local_experts).shape : Shape{};
  if (has_entries && rule.is_transposed && shape.size() == 2) std::swap(shape[0], shape[1]);
  const std::uint64_t rows = shape.empty()        ? 0
                             : rule.is_transposed ? shape[0]
                                                  : part.shape[is_stack && !is_flat ? 1 : 0];
  const bool halves = rule.half == Half::kWhole || rows % 2 == 0;
  if (halves && rule.half != Half::kWhole && rule.is_transposed && !shape.empty()) shape[0] /= 2;
  if (shape.size() == 1 && rank == 2) shape.push_back(1);
  if (has_entries && halves && shape.size() == rank) return shape;
  return Status::Corruption(fmt::format("{} is {} in {}, which is not {}", part.name, ShapeToString(part.shape),
                                        QuoteName(part.source->name()),
                                        is_stack ? fmt::format("a stack of {} experts", local_experts)
                                        : rule.half == Half::kWhole ? fmt::format("of rank {}", rank)
                                                                    : std::string("gate and up in equal parts")));
}

MergedStateDict::MergedStateDict(std::shared_ptr<const ShardedDirectory> directory, MergedTensors tensors,
                                 std::uint64_t local_experts)
    : directory_(std::move(directory)),
      names_(std::move(tensors.names)),
      specs_(std::move(tensors.specs)),
      rules_(std::move(tensors.rules)),
      by_name_(specs_.size()),
      local_experts_(local_experts) {
  std::size_t begin = 0;
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    specs_[i].name = std::string_view(names_).substr(begin, tensors.name_ends[i] - begin);
    begin = tensors.name_ends[i];
  }
  std::iota(by_name_.begin(), by_name_.end(), std::uint32_t{0});
  std::sort(by_name_.begin(), by_name_.end(),
            [this](std::uint32_t a, std::uint32_t b) { return specs_[a].name < specs_[b].name; });
}

std::optional<std::uint32_t> MergedStateDict::Find(std::string_view name) const {
  const auto found = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                      [this](std::uint32_t i, std::string_view key) { return specs_[i].name < key; });
  if (found == by_name_.end() || specs_[*found].name != name) return std::nullopt;
  return *found;
}

Result<TensorPtr> MergedStateDict::Part(const TensorInfo& stored, const MergeRule& rule, std::size_t rank) const {
  Run run = RunOf(stored, rule, local_experts_);
  const std::uint64_t offset = stored.offset + run.offset;
  if (!rule.is_transposed) {
    if (run.shape.size() == 1 && rank == 2) run.shape.push_back(1);
    return Tensor::Source(stored.source, offset, stored.dtype, std::move(run.shape));
  }
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr part, Tensor::Source(stored.source, offset, stored.dtype, std::move(run.shape)));
  SHARDFS_ASSIGN_OR_RETURN(part, Tensor::Permute(std::move(part), {1, 0}));
  if (rule.half == Half::kWhole) return part;
  const std::uint64_t rows = part->shape()[0] / 2;
  const std::uint64_t begin = rule.half == Half::kFirst ? 0 : rows;
  return Tensor::Slice(std::move(part), 0, begin, begin + rows);
}

// Heads of all ranks one behind the other, as rows.
Result<TensorPtr> MergedStateDict::JoinedHeads(const MergeRule& rule) const {
  std::vector<TensorPtr> parts;
  for (std::uint32_t rank = 0; rank < rule.ranks; ++rank) {
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr key, Part(directory_->At(rank, rule.stored), rule, 3));
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr value, Part(directory_->At(rank, rule.values), rule, 3));
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr heads, JoinKeyAndValue(std::move(key), std::move(value)));
    parts.push_back(std::move(heads));
  }
  return Tensor::Concat(std::move(parts), 0);
}

Result<TensorPtr> MergedStateDict::Joined(const MergeRule& rule, const TensorSpec& spec) const {
  if (rule.step == Step::kOnes) return OnesInF32(spec.shape);
  if (rule.values != MergeRule::kNone) return JoinedHeads(rule);
  const std::size_t rank = spec.shape.size();
  if (rule.is_replicated) return Part(directory_->At(rule.first_rank, rule.stored), rule, rank);
  const std::uint64_t size = spec.shape[rule.axis];
  const std::uint64_t step = RanksPerPart(size, rule.ranks);
  std::vector<TensorPtr> parts;
  parts.reserve(rule.ranks / step);
  for (std::uint64_t i = 0; i < rule.ranks; i += step) {
    const auto at = static_cast<std::uint32_t>(rule.first_rank + i);
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr part, Part(directory_->At(at, rule.stored), rule, rank));
    parts.push_back(std::move(part));
  }
  return JoinParts(std::move(parts), rule.axis, size);
}

Result<TensorPtr> MergedStateDict::Build(std::uint32_t index) const {
  const TensorSpec& spec = specs_[index];
  const MergeRule& rule = rules_[index];
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr tensor, Joined(rule, spec));
  if (rule.cuts_rows) {
    SHARDFS_ASSIGN_OR_RETURN(tensor, Tensor::Slice(std::move(tensor), 0, 0, spec.shape[0]));
  }
  SHARDFS_ASSIGN_OR_RETURN(tensor, Apply(rule.step, std::move(tensor), spec.dtype));
  if (rule.rope_block != 0) {
    SHARDFS_ASSIGN_OR_RETURN(tensor, RestoreRopeRows(std::move(tensor), rule.rope_block, rule.rope));
  }
  if (tensor->shape() == spec.shape) return tensor;
  return Tensor::Reshape(std::move(tensor), spec.shape);
}

std::string_view MergedStateDict::Origin(std::uint32_t index) const {
  const MergeRule& rule = rules_[index];
  return directory_->At(rule.first_rank, rule.stored).source->name();
}

std::optional<SourceSpan> MergedStateDict::SpanOf(std::uint32_t index) const {
  const MergeRule& rule = rules_[index];
  if (!rule.is_replicated || rule.is_transposed || rule.rope_block != 0 || rule.step != Step::kNone)
    return std::nullopt;
  const TensorInfo& stored = directory_->At(rule.first_rank, rule.stored);
  return SourceSpan{stored.source, stored.offset + RunOf(stored, rule, local_experts_).offset, BytesOf(specs_[index])};
}

}  // namespace shardfs
