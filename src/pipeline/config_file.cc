#include "pipeline/config_file.h"

#include <algorithm>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "base/nearest_name.h"
#include "base/text_file.h"
#include "shardfs/base/json.h"
#include "shardfs/layout/layout.h"

namespace shardfs {
namespace {

constexpr std::size_t kMaxConfigBytes = 1 << 20;

std::string WithDashes(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

// One file being read: puts members into settings, and says which member of which file is wrong.
class ConfigReader {
 public:
  explicit ConfigReader(std::string_view what) : what_(what) {}

  Status Read(const JsonMember& member) {
    const auto& [key, value] = member;
    const std::string name = WithDashes(key);
    if (!seen_.insert(name).second) return Wrong(key, "is given twice, with '-' and with '_'");
    for (const SizeSetting& size : SizeSettings()) {
      if (name == size.name) return Take(key, value.AsInt64(), "an integer", settings_.*size.member);
    }
    if (name == "layout") return Take(key, Text(value), "a string", settings_.layout);
    if (name == "mtp") return Take(key, value.AsBool(), "true or false", settings_.mtp);
    if (name == "rank-table") return Take(key, Text(value), "a string, the path of a file", settings_.rank_table);
    if (name == "max-shard-size") return ReadShardSize(key, value);
    if (name == "options" || name == "O") return ReadLayoutOptions(key, value);
    return Wrong(key, "is no setting" + Instead(key));
  }

  LayoutSettings settings() && { return std::move(settings_); }

 private:
  // What to write in the place of a key that there is not.
  static std::string Instead(const std::string& key) {
    std::vector<std::string> names = {"layout", "mtp", "rank-table", "max-shard-size", "options"};
    for (const SizeSetting& size : SizeSettings()) names.emplace_back(size.name);
    for (std::string& name : names) std::replace(name.begin(), name.end(), '-', '_');
    if (std::string meant = DidYouMean(key, names); !meant.empty()) return meant;
    for (const std::string_view layout : LayoutNames()) {
      for (const std::string_view name : FindLayout(layout)->option_names()) {
        if (name == key) return "; it is an option of the layout: write \"options\": {\"" + key + "\": VALUE}";
      }
    }
    return "; the settings have the names of the command line's layout options";
  }

  static std::optional<std::string> Text(const JsonValue& value) {
    const auto text = value.AsString();
    return text ? std::optional<std::string>(*text) : std::nullopt;
  }

  Status Wrong(const std::string& key, const std::string& problem) const {
    return Status::InvalidArgument(what_ + ": \"" + key + "\" " + problem);
  }

  template <typename T>
  Status Take(const std::string& key, std::optional<T> value, const char* wanted, std::optional<T>& place) const {
    if (!value) return Wrong(key, std::string("must be ") + wanted);
    if constexpr (std::is_same_v<T, std::string>) {
      if (value->empty()) return Wrong(key, "is empty; give a value, or leave it out");
    }
    place = std::move(value);
    return Status::Ok();
  }

  Status ReadShardSize(const std::string& key, const JsonValue& value) {
    const Result<std::uint64_t> bytes = ParseByteSize(value.is_string() || value.is_integer() ? value.text() : "");
    if (!bytes.ok()) return Wrong(key, "is wrong: " + std::string(bytes.status().message()));
    settings_.max_shard_bytes = *bytes;
    return Status::Ok();
  }

  Status ReadLayoutOptions(const std::string& key, const JsonValue& value) {
    if (!value.is_object()) return Wrong(key, "must be an object of names and values");
    for (const auto& [name, option] : value.members()) {
      std::string text = option.text();
      if (const auto flag = option.AsBool()) text = *flag ? "true" : "false";
      if (option.is_object() || option.is_array() || option.is_null()) {
        return Wrong(key, "has \"" + name + "\", which must be a string, a number, true or false");
      }
      if (text.empty()) return Wrong(key, "has \"" + name + "\", which is empty; give a value, or leave it out");
      if (!settings_.layout_options.emplace(name, text).second) return Wrong(key, "has \"" + name + "\" twice");
    }
    return Status::Ok();
  }

  std::string what_;
  std::set<std::string> seen_;
  LayoutSettings settings_;
};

}  // namespace

Result<LayoutSettings> ParseConfig(std::string_view json, std::string_view what) {
  const Result<JsonValue> document = ParseJson(json, what, {.max_bytes = kMaxConfigBytes, .max_depth = 4});
  // What is wrong with it is the user's configuration, not the checkpoint.
  if (!document.ok()) return Status::InvalidArgument(std::string(document.status().message()));
  if (!document->is_object()) return Status::InvalidArgument(std::string(what) + " must hold a JSON object");
  ConfigReader reader(what);
  for (const JsonMember& member : document->members()) SHARDFS_RETURN_IF_ERROR(reader.Read(member));
  return std::move(reader).settings();
}

Result<LayoutSettings> ReadConfigFile(const std::string& path) {
  const Result<std::string> text = ReadTextFile(path, kMaxConfigBytes);
  if (!text.ok()) {
    return Status::InvalidArgument(std::string(text.status().WithContext("the configuration file").message()));
  }
  return ParseConfig(*text, path);
}

}  // namespace shardfs
