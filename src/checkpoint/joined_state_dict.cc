#include "checkpoint/joined_state_dict.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "base/parallel.h"
#include "base/quote_name.h"

namespace shardfs {

JoinedStateDict::JoinedStateDict(std::shared_ptr<const StoredParts> parts) : parts_(std::move(parts)) {
  std::unordered_map<std::string_view, std::uint32_t> known;
  for (std::size_t part = 0; part < parts_->file_count(); ++part) {
    dicts_.push_back(parts_->TensorsOf(part));
    const auto specs = dicts_.back()->specs();
    for (std::uint32_t i = 0; i < specs.size(); ++i) {
      const auto [place, is_new] = known.try_emplace(specs[i].name, static_cast<std::uint32_t>(specs_.size()));
      if (is_new) {
        specs_.push_back(specs[i]);
        places_.push_back({dicts_.back().get(), i});
        by_name_.push_back(place->second);
      } else {
        second_.try_emplace(place->second, parts_->FileName(part));
      }
    }
  }
  ParallelSort(by_name_.begin(), by_name_.end(),
               [this](std::uint32_t a, std::uint32_t b) { return specs_[a].name < specs_[b].name; });
}

std::optional<std::uint32_t> JoinedStateDict::Find(std::string_view name) const {
  const auto found = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                      [this](std::uint32_t i, std::string_view key) { return specs_[i].name < key; });
  if (found == by_name_.end() || specs_[*found].name != name) return std::nullopt;
  return *found;
}

Result<TensorPtr> JoinedStateDict::Build(std::uint32_t index) const {
  if (const auto second = second_.find(index); second != second_.end()) {
    return Status::NotSupported(
        fmt::format("tensor {} stands in {} and in {}: these are slices, and their strategy says of what; give --from "
                    "mindspore with "
                    "--src-strategy, or show the files one by one with --layout safetensors or ckpt",
                    QuoteName(specs_[index].name), QuoteName(Origin(index)), QuoteName(second->second)));
  }
  return PlaceOf(index).dict->Build(PlaceOf(index).index);
}

std::optional<SourceSpan> JoinedStateDict::SpanOf(std::uint32_t index) const {
  if (second_.contains(index)) return std::nullopt;
  return PlaceOf(index).dict->SpanOf(PlaceOf(index).index);
}

}  // namespace shardfs
