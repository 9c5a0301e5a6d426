#include "checkpoint/ckpt_state_dict.h"

#include <algorithm>
#include <numeric>

#include "base/parallel.h"
#include "checkpoint/chunked_tensor.h"

namespace shardfs {

CkptStateDict::CkptStateDict(std::shared_ptr<const ByteSource> source, CkptContent content)
    : source_(std::move(source)), content_(std::move(content)) {
  specs_.reserve(content_.tensors.size());
  for (CkptTensor& tensor : content_.tensors) {
    specs_.push_back({tensor.name, tensor.dtype, std::move(tensor.shape)});
  }
  by_name_.resize(specs_.size());
  std::iota(by_name_.begin(), by_name_.end(), 0);
  ParallelSort(by_name_.begin(), by_name_.end(),
               [this](std::uint32_t a, std::uint32_t b) { return specs_[a].name < specs_[b].name; });
}

std::optional<std::uint32_t> CkptStateDict::Find(std::string_view name) const {
  const auto found = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                      [this](std::uint32_t i, std::string_view key) { return specs_[i].name < key; });
  if (found == by_name_.end() || specs_[*found].name != name) return std::nullopt;
  return *found;
}

Result<TensorPtr> CkptStateDict::Build(std::uint32_t index) const {
  const TensorSpec& spec = specs_[index];
  const CkptTensor& tensor = content_.tensors[index];
  if (!tensor.is_wide) return ChunkedTensor(source_.get(), ChunksOf(tensor), spec.dtype, spec.shape);
  // A float32 is its two BF16 halves, the upper one second.
  Shape halves = spec.shape;
  halves.push_back(2);
  const std::uint64_t axis = spec.shape.size();
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr both, ChunkedTensor(source_.get(), ChunksOf(tensor), spec.dtype, halves));
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr upper, Tensor::Slice(std::move(both), axis, 1, 2));
  return Tensor::Reshape(std::move(upper), spec.shape);
}

std::optional<SourceSpan> CkptStateDict::SpanOf(std::uint32_t index) const {
  const CkptTensor& tensor = content_.tensors[index];
  if (tensor.is_wide || tensor.chunks != 1) return std::nullopt;
  const FileRange& range = content_.chunks[tensor.first_chunk];
  return SourceSpan{source_.get(), range.offset, range.size};
}

}  // namespace shardfs
