// The directory says nothing of what it was made for, so the state dict of each release and each cut is made from
// config.json, without sources, and held against the headers of one rank.
#include "layout/sharded_state/check/shown_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <initializer_list>
#include <set>
#include <span>
#include <utility>

#include "base/parse_number.h"
#include "base/quote_name.h"
#include "layout/sharded_state/state_dict_rules.h"
#include "shardfs/source/source_set.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;

struct PartNumber {
  std::uint32_t rank = 0;
  std::uint32_t part = 0;
};

// The numbers in "model-rank-0-part-1.safetensors".
std::optional<PartNumber> ParsePartName(std::string_view name) {
  constexpr std::string_view kBegin = "model-rank-";
  constexpr std::string_view kMiddle = "-part-";
  constexpr std::string_view kEnd = ".safetensors";
  if (!name.starts_with(kBegin) || !name.ends_with(kEnd)) return std::nullopt;
  name = name.substr(kBegin.size(), name.size() - kBegin.size() - kEnd.size());
  const auto middle = name.find(kMiddle);
  if (middle == std::string_view::npos) return std::nullopt;
  const auto rank = ParseNumber<std::uint32_t>(name.substr(0, middle));
  const auto part = ParseNumber<std::uint32_t>(name.substr(middle + kMiddle.size()));
  if (!rank || !part) return std::nullopt;
  return PartNumber{*rank, *part};
}

Result<Header> ReadHeader(const SourceRoot& root, const std::string& name) {
  SHARDFS_ASSIGN_OR_RETURN(const auto file, root.OpenFile(name));
  std::array<std::byte, 8> prefix{};
  const auto present = std::span(prefix).first(std::min<std::uint64_t>(prefix.size(), file->size()));
  SHARDFS_RETURN_IF_ERROR(file->ReadAt(0, present));
  const Result<std::uint64_t> extent = HeaderExtent(present, file->size());
  if (!extent.ok()) return extent.status().WithContext(QuoteName(name));
  std::vector<std::byte> bytes(*extent);
  SHARDFS_RETURN_IF_ERROR(file->ReadAt(0, bytes));
  return ParseHeader(bytes, file->size(), name);
}

// The cuts that a directory may have been made with.
std::vector<ShardedCut> CutsOf(const ModelShape& shape, std::uint32_t tp, std::string_view engine) {
  std::vector<ShardedCut> cuts;
  for (const auto& [shared_out, fused] :
       std::initializer_list<std::pair<bool, bool>>{{false, false}, {true, false}, {false, true}}) {
    const ShardedCut cut{tp, shared_out, fused};
    if (cut.Check(shape, engine).ok()) cuts.push_back(cut);
  }
  return cuts;
}

}  // namespace

Result<ShownState> ShownState::Read(const std::string& directory) {
  SHARDFS_ASSIGN_OR_RETURN(const auto root, SourceRoot::Open(directory));
  std::map<std::uint32_t, std::map<std::uint32_t, std::string>> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root->path(), error)) {
    const std::string name = entry.path().filename();
    if (const auto number = ParsePartName(name)) files[number->rank][number->part] = name;
  }
  if (files.empty()) {
    return Status::InvalidArgument(fmt::format(
        "{} has no model-rank-R-part-P.safetensors; give a directory that --layout sharded-state shows", directory));
  }
  ShownState state;
  for (const auto& [rank, parts] : files) {
    if (parts.rbegin()->first + 1 != parts.size()) {
      return Status::Corruption(fmt::format("rank {} has {} parts, and the last is number {}: one is missing", rank,
                                            parts.size(), parts.rbegin()->first));
    }
    for (const auto& [part, name] : parts) {
      SHARDFS_ASSIGN_OR_RETURN(Header header, ReadHeader(*root, name));
      for (HeaderTensor& tensor : header.tensors) {
        NewTensor own{tensor.name, tensor.dtype, std::move(tensor.shape)};
        if (state.ranks[rank].emplace(tensor.name, std::move(own)).second) continue;
        return Status::Corruption(fmt::format("rank {} has {} in two parts", rank, QuoteName(tensor.name)));
      }
    }
  }
  return state;
}

Text Difference(const RankTensors& shown, const std::vector<OutputTensor>& rules, std::uint32_t tp,
                std::uint32_t rank) {
  for (const OutputTensor& rule : rules) {
    const auto found = shown.find(rule.name);
    if (found == shown.end()) return Tr("rank {} has no {}", rank, rule.name);
    const Shape shape = ShapeOfRank(rule, tp, rank);
    if (found->second.shape == shape && found->second.dtype == rule.dtype) continue;
    return Tr("rank {} has {} as {} {}, and the server makes it {} {}", rank, rule.name, DtypeName(found->second.dtype),
              ShapeToString(found->second.shape), DtypeName(rule.dtype), ShapeToString(shape));
  }
  if (shown.size() == rules.size()) return {};
  std::set<std::string_view> asked;
  for (const OutputTensor& rule : rules) asked.insert(rule.name);
  for (const auto& [name, tensor] : shown) {
    if (!asked.contains(name)) return Tr("rank {} has {}, which the server does not know", rank, QuoteName(name));
  }
  return {};
}

std::vector<MadeFor> FindMadeFor(const RankTensors& shown, const ModelShape& shape, const EngineNameTable& table,
                                 std::uint32_t tp, std::uint32_t rank) {
  std::vector<MadeFor> all;
  for (const std::string& engine : table.Engines()) {
    const std::vector<ReleaseNumber> releases = table.Releases(engine);
    for (const ShardedCut& cut : CutsOf(shape, tp, engine)) {
      MadeFor made{engine, {}, cut};
      for (std::size_t i = 0; i + 1 < releases.size(); ++i) {  // the last stands for its run already
        const auto names = table.Find(engine, releases[i].ToString());
        if (!names.ok()) continue;
        const auto rules = StateDictRules(shape, *names, cut);
        if (rules.ok() && Difference(shown, *rules, tp, rank).empty()) made.releases.push_back(releases[i]);
      }
      if (!made.releases.empty()) all.push_back(std::move(made));
    }
  }
  return all;
}

}  // namespace shardfs
