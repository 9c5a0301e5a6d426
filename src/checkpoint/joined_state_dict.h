// JoinedStateDict: the tensors of several files that were opened by themselves as one StateDict, file after file.
//
// Files of ranks have tensors of one name, each with its own slice. Such a name is known and has the spec that the
// first file gives it, and cannot be built: what the whole tensor is, a strategy says and no file.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "shardfs/checkpoint/stored_parts.h"
#include "shardfs/tensor/state_dict.h"

namespace shardfs {

class JoinedStateDict final : public StateDict {
 public:
  explicit JoinedStateDict(std::shared_ptr<const StoredParts> parts);

  // Whether a name stands in several files.
  bool has_slices() const { return !second_.empty(); }

  std::span<const TensorSpec> specs() const override { return specs_; }
  std::optional<std::uint32_t> Find(std::string_view name) const override;
  Result<TensorPtr> Build(std::uint32_t index) const override;  // kNotSupported for a name of several files
  std::string_view Origin(std::uint32_t index) const override {
    return PlaceOf(index).dict->Origin(PlaceOf(index).index);
  }
  std::optional<SourceSpan> SpanOf(std::uint32_t index) const override;

 private:
  struct Place {
    const StateDict* dict;
    std::uint32_t index;
  };
  const Place& PlaceOf(std::uint32_t index) const { return places_[index]; }

  std::shared_ptr<const StoredParts> parts_;
  std::vector<StateDictPtr> dicts_;
  std::vector<TensorSpec> specs_;
  std::vector<Place> places_;                         // of each spec
  std::vector<std::uint32_t> by_name_;                // indices of specs_, ascending by name
  std::map<std::uint32_t, std::string_view> second_;  // of a spec, the second file that has its name
};

}  // namespace shardfs
