#include "layout/mindspore/strategy_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <new>
#include <set>
#include <vector>

#include "base/natural_order.h"
#include "base/quote_name.h"
#include "base/text_file.h"
#include "layout/mindspore/strategy_merge.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;

bool IsJsonName(std::string_view name) { return name.ends_with(".json"); }

Result<std::string> ReadStrategyText(const std::string& path) {
  auto text = ReadTextFile(path, kMaxStrategyBytes);
  if (text.ok() || text.status().code() != StatusCode::kNotFound) return text;
  return Status::InvalidArgument(fmt::format("there is no strategy {}", QuoteName(path)));
}

struct StrategyNames {
  std::vector<std::string> names;  // in the order in which they are merged
  bool is_json = false;
};

Result<StrategyNames> ListStrategies(const std::string& directory, const std::string& left_out) {
  std::vector<std::string> protobuf;
  std::vector<std::string> json;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with('.') || name == kMergedStrategyName) continue;
    if (!left_out.empty() && fs::weakly_canonical(entry->path(), error) == fs::weakly_canonical(left_out, error)) {
      continue;
    }
    if (name.ends_with(".ckpt")) protobuf.push_back(name);
    if (IsJsonName(name)) json.push_back(name);
  }
  if (error) {
    return Status::InvalidArgument(
        fmt::format("cannot list the directory of strategies {}: {}", QuoteName(directory), error.message()));
  }
  if (!protobuf.empty() && !json.empty()) {
    return Status::Corruption(fmt::format("{} holds strategies of both kinds, {} and {}; move one kind elsewhere",
                                          QuoteName(directory), QuoteName(protobuf.front()), QuoteName(json.front())));
  }
  const bool is_json = !json.empty();
  std::vector<std::string> names = is_json ? std::move(json) : std::move(protobuf);
  if (names.empty()) {
    return Status::InvalidArgument(fmt::format("there is no strategy (*.ckpt or *.json) in {}", QuoteName(directory)));
  }
  std::sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
    if (NaturallyBefore(a, b)) return true;
    return !NaturallyBefore(b, a) && a < b;
  });
  return StrategyNames{std::move(names), is_json};
}

Result<MergedStrategy> Merge(const std::string& directory, const std::string& left_out) {
  SHARDFS_ASSIGN_OR_RETURN(const StrategyNames listed, ListStrategies(directory, left_out));
  const auto merger = listed.is_json ? MakeJsonMerger() : MakeProtobufMerger();
  std::vector<std::string> texts;  // one a stage: the ranks of a stage have equal files
  std::set<std::uint32_t> stages;
  for (const std::string& name : listed.names) {
    SHARDFS_ASSIGN_OR_RETURN(std::string text, ReadStrategyText(directory + "/" + name));
    if (std::find(texts.begin(), texts.end(), text) != texts.end()) continue;
    const auto stage = merger->StageOf(text);
    if (!stage.ok()) return stage.status().WithContext(fmt::format("strategy {}", QuoteName(name)));
    if (!stages.insert(*stage).second) continue;
    merger->Take(*stage);
    if (stages.size() <= kMostStages) {
      texts.push_back(std::move(text));
      continue;
    }
    return Status::NotSupported(
        fmt::format("{} has strategies of more than {} stages", QuoteName(directory), kMostStages));
  }
  SHARDFS_ASSIGN_OR_RETURN(std::string bytes, merger->Text());
  return MergedStrategy{std::move(bytes), listed.is_json, listed.names.size(), stages.size()};
}

}  // namespace

Result<MergedStrategy> MergeStrategies(const std::string& directory, const std::string& left_out) {
  try {
    return Merge(directory, left_out);
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted(fmt::format("no memory for the strategies of {}", QuoteName(directory)));
  } catch (const std::exception& error) {
    return Status::InvalidArgument(fmt::format("cannot merge {}: {}", QuoteName(directory), error.what()));
  }
}

Result<StrategyPtr> LoadStrategy(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) {
    SHARDFS_ASSIGN_OR_RETURN(const MergedStrategy merged, MergeStrategies(path));
    return merged.is_json ? ParseJsonStrategy(merged.bytes, path) : ParseProtobufStrategy(merged.bytes, path);
  }
  SHARDFS_ASSIGN_OR_RETURN(const std::string text, ReadStrategyText(path));
  return IsJsonName(path) ? ParseJsonStrategy(text, path) : ParseProtobufStrategy(text, path);
}

}  // namespace shardfs
