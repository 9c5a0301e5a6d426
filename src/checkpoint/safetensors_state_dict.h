// SafetensorsStateDict: the tensors of a directory of safetensors files as a StateDict, in file order: files by name,
// in a file by data offset.
//
// Names lie one behind the other in one piece of memory, and a tensor takes about 100 bytes in all: a checkpoint has up
// to a hundred thousand of them.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/tensor_info.h"
#include "shardfs/tensor/state_dict.h"

namespace shardfs {

class SafetensorsStateDict final : public StateDict {
 public:
  // `tensors` ascend by name, and names are unique. Borrows their sources.
  explicit SafetensorsStateDict(std::vector<TensorInfo> tensors);
  SafetensorsStateDict(const SafetensorsStateDict&) = delete;  // the specs point into names_, which a move may copy
  SafetensorsStateDict& operator=(const SafetensorsStateDict&) = delete;

  // The index of the tensor that stands at `place` when all are sorted by name.
  std::uint32_t IndexByName(std::uint32_t place) const { return by_name_[place]; }

  std::span<const TensorSpec> specs() const override { return specs_; }
  std::optional<std::uint32_t> Find(std::string_view name) const override;
  Result<TensorPtr> Build(std::uint32_t index) const override;
  std::string_view Origin(std::uint32_t index) const override { return places_[index].source->name(); }
  std::optional<SourceSpan> SpanOf(std::uint32_t index) const override {
    return SourceSpan{places_[index].source, places_[index].offset, BytesOf(specs_[index])};
  }

 private:
  struct Place {
    const ByteSource* source;
    std::uint64_t offset;
  };

  std::string names_;                   // of all specs, which point into it
  std::vector<TensorSpec> specs_;       // in file order
  std::vector<Place> places_;           // of each spec
  std::vector<std::uint32_t> by_name_;  // indices of specs_, ascending by name
};

}  // namespace shardfs
