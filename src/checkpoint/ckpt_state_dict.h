// CkptStateDict: the tensors of one MindSpore .ckpt as a StateDict, in the order of the file.
#pragma once

#include <memory>
#include <vector>

#include "shardfs/format/ckpt/ckpt.h"
#include "shardfs/tensor/state_dict.h"

namespace shardfs {

class CkptStateDict final : public StateDict {
 public:
  // `content` is what ReadCkpt gave for `source`, which the dict keeps.
  CkptStateDict(std::shared_ptr<const ByteSource> source, CkptContent content);

  std::span<const TensorSpec> specs() const override { return specs_; }
  std::optional<std::uint32_t> Find(std::string_view name) const override;
  Result<TensorPtr> Build(std::uint32_t index) const override;
  std::string_view Origin(std::uint32_t /*index*/) const override { return source_->name(); }
  std::optional<SourceSpan> SpanOf(std::uint32_t index) const override;

 private:
  std::span<const FileRange> ChunksOf(const CkptTensor& tensor) const {
    return std::span(content_.chunks).subspan(tensor.first_chunk, tensor.chunks);
  }

  std::shared_ptr<const ByteSource> source_;
  CkptContent content_;  // names of the specs point into it
  std::vector<TensorSpec> specs_;
  std::vector<std::uint32_t> by_name_;  // indices of specs_, ascending by name
};

}  // namespace shardfs
