// A checkpoint of tensors in memory with a config.json, for layouts that are tried thousands of times.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/tiny_checkpoint.h"
#include "shardfs/checkpoint/checkpoint.h"
#include "tensor/memory_source.h"

namespace shardfs::testing {

struct MemoryTensor {
  Dtype dtype = Dtype::kBF16;
  Shape shape;
  std::string bytes;
};

using MemoryTensors = std::map<std::string, MemoryTensor>;

class MemoryStateDict final : public StateDict {
 public:
  explicit MemoryStateDict(const MemoryTensors& tensors) {
    for (const auto& [name, tensor] : tensors) {
      names_.push_back(std::make_unique<std::string>(name));
      specs_.push_back({*names_.back(), tensor.dtype, tensor.shape});
      const auto* const begin = reinterpret_cast<const std::byte*>(tensor.bytes.data());
      sources_.push_back(std::make_unique<MemorySource>(std::vector(begin, begin + tensor.bytes.size()), true));
      by_name_[name] = static_cast<std::uint32_t>(specs_.size() - 1);
    }
  }

  std::span<const TensorSpec> specs() const override { return specs_; }
  std::optional<std::uint32_t> Find(std::string_view name) const override {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? std::nullopt : std::optional(found->second);
  }
  Result<TensorPtr> Build(std::uint32_t index) const override {
    return Tensor::Source(sources_[index].get(), 0, specs_[index].dtype, specs_[index].shape);
  }
  std::string_view Origin(std::uint32_t) const override { return "model.safetensors"; }
  std::optional<SourceSpan> SpanOf(std::uint32_t index) const override {
    return SourceSpan{sources_[index].get(), 0, BytesOf(specs_[index])};
  }

 private:
  std::vector<std::unique_ptr<std::string>> names_;
  std::vector<TensorSpec> specs_;
  std::vector<std::unique_ptr<MemorySource>> sources_;
  std::map<std::string, std::uint32_t, std::less<>> by_name_;
};

// Holds the directory that every checkpoint of memory borrows its (unused) sources from.
class MemoryCheckpoints {
 public:
  MemoryCheckpoints() {
    directory_.AddShard("model.safetensors", {{"a", Dtype::kBF16, {1}}});
    base_ = directory_.Open();
  }

  CheckpointPtr Make(const MemoryTensors& tensors, const std::string& config) const {
    Checkpoint::Content content = base_->content();
    content.tensors = std::make_shared<const MemoryStateDict>(tensors);
    CompanionFile file;
    file.name = "config.json";
    file.size = config.size();
    file.text = std::make_shared<const std::string>(config);
    content.files = {file};
    content.indices = nullptr;
    content.index_order.clear();
    return std::make_shared<const Checkpoint>(std::move(content));
  }

 private:
  TinyCheckpoint directory_;
  CheckpointPtr base_;
};

}  // namespace shardfs::testing
