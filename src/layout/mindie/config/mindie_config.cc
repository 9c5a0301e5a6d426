// Reading of mindie_config.h's file.
#include "layout/mindie/config/mindie_config.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <filesystem>

#include "base/quote_name.h"
#include "base/text_file.h"
#include "shardfs/base/json.h"

namespace shardfs {
namespace {

constexpr std::size_t kMaxConfigBytes = 10u << 20;  // what MindIE reads of it
constexpr std::int64_t kMaxSize = 1 << 20;

struct SizeMember {
  const char* key;
  std::int64_t ParallelConfig::*member;
};
constexpr std::array<SizeMember, 7> kSizes{{{"worldSize", &ParallelConfig::world_size},
                                            {"dp", &ParallelConfig::dp},
                                            {"tp", &ParallelConfig::tp},
                                            {"cp", &ParallelConfig::cp},
                                            {"sp", &ParallelConfig::sp},
                                            {"moe_tp", &ParallelConfig::moe_tp},
                                            {"moe_ep", &ParallelConfig::moe_ep}}};

// A whole number, written as one or as a string.
std::optional<std::int64_t> Number(const JsonValue& value) {
  if (!value.is_integer() && !value.is_string()) return std::nullopt;
  const std::string& text = value.text();
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// true, 1, "true", "True", "1".
std::optional<bool> Switch(const JsonValue& value) {
  if (const auto flag = value.AsBool()) return flag;
  const std::string& text = value.text();
  if (text == "1" || text == "true" || text == "True") return true;
  if (text == "0" || text == "false" || text == "False") return false;
  return std::nullopt;
}

// One entry of ModelConfig[] being read.
class ModelReader {
 public:
  ModelReader(const JsonValue& json, std::string where) : json_(json), where_(std::move(where)) {}

  Result<MindieModelConfig> Read() {
    if (!json_.is_object()) return Status::InvalidArgument(fmt::format("{} must be an object", where_));
    SHARDFS_RETURN_IF_ERROR(ReadText("modelName", model_.name));
    SHARDFS_RETURN_IF_ERROR(ReadText("modelWeightPath", model_.weight_path));
    SHARDFS_RETURN_IF_ERROR(ReadText("backendType", model_.backend));
    for (const SizeMember& size : kSizes) SHARDFS_RETURN_IF_ERROR(ReadSize(size.key, model_.sizes.*size.member));
    SHARDFS_RETURN_IF_ERROR(ReadPlugins());
    SHARDFS_RETURN_IF_ERROR(ReadModelOptions());
    return std::move(model_);
  }

 private:
  Status Wrong(std::string_view key, std::string_view problem) const {
    return Status::InvalidArgument(fmt::format("{}: \"{}\" {}", where_, key, problem));
  }

  Status ReadText(const char* key, std::string& place) const {
    const JsonValue* value = json_.Find(key);
    if (value == nullptr) return Status::Ok();
    if (!value->is_string()) return Wrong(key, "must be a string");
    place = value->text();
    return Status::Ok();
  }

  Status ReadSize(const char* key, std::int64_t& place) const {
    const JsonValue* value = json_.Find(key);
    if (value == nullptr) return Status::Ok();
    const auto number = Number(*value);
    if (!number || *number == 0 || *number < ParallelConfig::kDefault || *number > kMaxSize) {
      return Wrong(key, fmt::format("is {}, and must be a whole number from 1 to {}, or -1 for MindIE's default",
                                    QuoteName(value->text()), kMaxSize));
    }
    place = *number;
    return Status::Ok();
  }

  // plugin_params is an object, or a string that holds one.
  Status ReadPlugins() {
    const JsonValue* value = json_.Find("plugin_params");
    if (value == nullptr || value->is_null() || (value->is_string() && value->text().empty())) return Status::Ok();
    JsonValue parsed = *value;
    if (value->is_string()) {
      const auto document = ParseJson(value->text(), where_ + ": \"plugin_params\"");
      if (!document.ok()) return Status::InvalidArgument(std::string(document.status().message()));
      parsed = *document;
    }
    if (!parsed.is_object()) return Wrong("plugin_params", "must be an object, or a string that holds one");
    const JsonValue* type = parsed.Find("plugin_type");
    const JsonValue* tokens = parsed.Find("num_speculative_tokens");
    model_.mtp = type != nullptr && type->text().find("mtp") != std::string::npos &&
                 (tokens == nullptr || Number(*tokens).value_or(1) > 0);
    return Status::Ok();
  }

  Status ReadModelOptions() {
    SHARDFS_ASSIGN_OR_RETURN(const JsonValue* models, FindObject(json_, "models"));
    if (models == nullptr) return Status::Ok();
    SHARDFS_ASSIGN_OR_RETURN(const JsonValue* options, FindObject(*models, "deepseekv2"));
    if (options == nullptr) return Status::Ok();
    SHARDFS_ASSIGN_OR_RETURN(const JsonValue* h3p, FindObject(*options, "h3p"));
    if (h3p != nullptr) {
      for (const char* key : {"enable_gating_dp", "enable_shared_expert_dp"}) {
        SHARDFS_RETURN_IF_ERROR(TakeSwitch(*h3p, key));
      }
    }
    SHARDFS_RETURN_IF_ERROR(TakeNumber(*options, "ep_level"));
    // Older versions have the local sizes among the options themselves, newer ones in an object of their own.
    SHARDFS_ASSIGN_OR_RETURN(const JsonValue* nested, FindObject(*options, "parallel_options"));
    for (const JsonValue* place : {options, nested}) {
      if (place == nullptr) continue;
      SHARDFS_RETURN_IF_ERROR(TakeNumber(*place, "dense_mlp_local_tp"));
      for (const char* key : {"lm_head_local_tp", "o_proj_local_tp"}) {
        const JsonValue* value = place->Find(key);
        if (value != nullptr && Number(*value).value_or(2) > 1) return NoDirectoryHas(key, value->text());
      }
    }
    SHARDFS_ASSIGN_OR_RETURN(const JsonValue* eplb, FindObject(*options, "eplb"));
    const JsonValue* level = eplb == nullptr ? nullptr : eplb->Find("level");
    if (level != nullptr && Number(*level).value_or(1) > 0) return NoDirectoryHas("eplb.level", level->text());
    const JsonValue* mixed = options->Find("mix_shared_routing");
    if (mixed != nullptr && Switch(*mixed).value_or(true)) return NoDirectoryHas("mix_shared_routing", "true");
    return Status::Ok();
  }

  // Null where the key is missing, or null.
  Result<const JsonValue*> FindObject(const JsonValue& object, const char* key) const {
    const JsonValue* value = object.Find(key);
    if (value == nullptr || value->is_null()) return nullptr;
    if (!value->is_object()) return Wrong(key, "must be an object");
    return value;
  }

  Status TakeSwitch(const JsonValue& object, const char* key) {
    const JsonValue* value = object.Find(key);
    if (value == nullptr) return Status::Ok();
    const auto on = Switch(*value);
    if (!on) return Wrong(key, "must be true or false");
    model_.layout_options[key] = *on ? "true" : "false";
    return Status::Ok();
  }

  Status TakeNumber(const JsonValue& object, const char* key) {
    const JsonValue* value = object.Find(key);
    if (value == nullptr) return Status::Ok();
    const auto number = Number(*value);
    if (!number) return Wrong(key, "must be a whole number");
    model_.layout_options[key] = std::to_string(*number);
    return Status::Ok();
  }

  Status NoDirectoryHas(std::string_view key, std::string_view value) const {
    return Status::InvalidArgument(fmt::format(
        "{}: \"{}\" is {}, and a sharded directory has no weights for that; let MindIE load the full checkpoint, or "
        "leave \"{}\" out",
        where_, key, value, key));
  }

  const JsonValue& json_;
  const std::string where_;
  MindieModelConfig model_;
};

}  // namespace

Result<MindieServerConfig> ParseMindieServerConfig(std::string_view json, std::string_view what) {
  const Result<JsonValue> document = ParseJson(json, what, {.max_bytes = kMaxConfigBytes});
  // What is wrong with it is the server's configuration, not the checkpoint.
  if (!document.ok()) return Status::InvalidArgument(std::string(document.status().message()));
  const JsonValue* backend = document->Find("BackendConfig");
  const JsonValue* deploy = (backend != nullptr ? *backend : *document).Find("ModelDeployConfig");
  const JsonValue* models = deploy == nullptr ? nullptr : deploy->Find("ModelConfig");
  if (models == nullptr || !models->is_array() || models->items().empty()) {
    return Status::InvalidArgument(
        fmt::format("{} has no models in \"BackendConfig\", \"ModelDeployConfig\", \"ModelConfig\"; give the "
                    "config.json of MindIE Server, not that of a model",
                    what));
  }
  MindieServerConfig config;
  config.file = what;
  const JsonValue* several = backend == nullptr ? nullptr : backend->Find("multiNodesInferEnabled");
  if (several != nullptr) {
    const auto enabled = several->AsBool();
    if (!enabled) {
      return Status::InvalidArgument(fmt::format("{}: \"multiNodesInferEnabled\" is {}, and must be true or false",
                                                 what, QuoteName(several->text())));
    }
    config.several_nodes = *enabled;
  }
  for (std::size_t i = 0; i < models->items().size(); ++i) {
    ModelReader reader(models->items()[i], fmt::format("{}: ModelConfig[{}]", what, i));
    SHARDFS_ASSIGN_OR_RETURN(MindieModelConfig model, reader.Read());
    config.models.push_back(std::move(model));
  }
  return config;
}

Result<MindieServerConfig> ReadMindieServerConfig(const std::string& path) {
  const auto text = ReadTextFile(path, kMaxConfigBytes);
  if (!text.ok())
    return Status::InvalidArgument(std::string(text.status().WithContext("MindIE's configuration").message()));
  return ParseMindieServerConfig(*text, path);
}

bool IsSamePlace(const std::string& path, const std::string& other) {
  std::error_code error;
  const auto first = std::filesystem::weakly_canonical(path, error);
  if (error) return path == other;
  const auto second = std::filesystem::weakly_canonical(other, error);
  // "DIR/" names what "DIR" does.
  return !error && (first / "").lexically_normal() == (second / "").lexically_normal();
}

Result<const MindieModelConfig*> MindieServerConfig::Choose(const std::string& directory) const {
  if (models.size() == 1) return &models.front();
  std::string paths;
  for (const MindieModelConfig& model : models) {
    if (!directory.empty() && IsSamePlace(model.weight_path, directory)) return &model;
    paths += (paths.empty() ? "" : ", ") + QuoteName(model.weight_path);
  }
  return Status::InvalidArgument(
      fmt::format("{} has {} models, and {} is the modelWeightPath of none of them ({}); set the one that is meant",
                  file, models.size(), directory.empty() ? "no directory" : QuoteName(directory), paths));
}

}  // namespace shardfs
