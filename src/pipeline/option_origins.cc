#include "pipeline/option_origins.h"

#include <fmt/format.h>

#include <set>

#include "base/environment_variable.h"
#include "base/parse_number.h"
#include "base/quote_name.h"
#include "base/text_file.h"
#include "shardfs/base/json.h"

namespace shardfs {
namespace {

constexpr std::size_t kMaxConfigBytes = 1 << 20;

class ConfigReader {
 public:
  explicit ConfigReader(std::string_view what) : what_(what) {}

  Status Read(const JsonMember& member) {
    const auto& [key, value] = member;
    const std::string name = OptionNameOf(key);
    if (name == "layout") return TakeName(key, value, config_.layout);
    if (name == "from") return TakeName(key, value, config_.from);
    if (name != "options" && name != "O") return TakeOption(key, value);
    if (!value.is_object()) return Wrong(key, "must be an object of names and values");
    for (const auto& [option, text] : value.members()) SHARDFS_RETURN_IF_ERROR(TakeOption(option, text));
    return Status::Ok();
  }

  ConfigFile config() && { return std::move(config_); }

 private:
  Status Wrong(const std::string& key, const std::string& problem) const {
    return Status::InvalidArgument(fmt::format("{}: \"{}\" {}", what_, key, problem));
  }

  Status TakeName(const std::string& key, const JsonValue& value, std::string& place) const {
    if (!value.is_string()) return Wrong(key, "must be a string");
    if (value.text().empty()) return Wrong(key, "is empty; write a name or leave it out");
    place = value.text();
    return Status::Ok();
  }

  Status TakeOption(const std::string& key, const JsonValue& value) {
    const std::string name = OptionNameOf(key);
    if (!seen_.insert(name).second) return Wrong(key, "is given twice; '-' and '_' are one spelling");
    if (!value.is_array()) return Put(key, name, value);
    for (const JsonValue& item : value.items()) SHARDFS_RETURN_IF_ERROR(Put(key, name, item));
    return Status::Ok();
  }

  Status Put(const std::string& key, const std::string& name, const JsonValue& value) {
    std::string text = value.text();
    if (const auto flag = value.AsBool()) text = *flag ? "true" : "false";
    if (value.is_object() || value.is_array() || value.is_null()) {
      return Wrong(key, "must be a string, a number, true or false, or a list of these");
    }
    config_.options.push_back(
        {name, std::move(text), OptionOrigin::kConfigFile, fmt::format("{}: \"{}\"", what_, key)});
    return Status::Ok();
  }

  std::string what_;
  std::set<std::string> seen_;
  ConfigFile config_;
};

}  // namespace

Result<ConfigFile> ParseConfigFile(std::string_view json, std::string_view what) {
  const Result<JsonValue> document = ParseJson(json, what, {.max_bytes = kMaxConfigBytes, .max_depth = 4});
  // What is wrong with it is the user's configuration, not the checkpoint.
  if (!document.ok()) return Status::InvalidArgument(std::string(document.status().message()));
  if (!document->is_object()) return Status::InvalidArgument(std::string(what) + " must hold a JSON object");
  ConfigReader reader(what);
  for (const JsonMember& member : document->members()) SHARDFS_RETURN_IF_ERROR(reader.Read(member));
  return std::move(reader).config();
}

Result<ConfigFile> ReadConfigFile(const std::string& path) {
  const Result<std::string> text = ReadTextFile(path, kMaxConfigBytes);
  if (!text.ok()) {
    return Status::InvalidArgument(std::string(text.status().WithContext("the configuration file").message()));
  }
  return ParseConfigFile(*text, path);
}

Result<std::vector<GivenOption>> OptionsOfEnvironment(std::span<const OptionSpec* const> specs) {
  std::vector<GivenOption> options;
  for (const OptionSpec* const spec : specs) {
    if (spec->environment.empty()) continue;
    const std::string variable(spec->environment);
    auto text = EnvironmentVariable(variable.c_str());
    if (!text) continue;
    const std::string where = "the environment's " + variable;
    if (spec->kind == OptionKind::kSwitch) {
      const auto number = ParseNumber<std::int64_t>(*text);
      if (!number || (!spec->is_yes_unless_0 && *number != 0 && *number != 1)) {
        return Status::InvalidArgument(
            fmt::format("{} is {}, and must be {}", where, QuoteName(*text),
                        spec->is_yes_unless_0 ? "an integer: 0 for no, 1 for yes" : "0 or 1"));
      }
      text = *number != 0 ? "true" : "false";
    }
    options.push_back({std::string(spec->name), std::move(*text), OptionOrigin::kEnvironment, where});
  }
  return options;
}

}  // namespace shardfs
