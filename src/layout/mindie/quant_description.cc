#include "layout/mindie/quant_description.h"

#include <fmt/format.h>

#include <vector>

namespace shardfs {
namespace {

constexpr std::uint64_t kMaxDescriptionBytes = 100u << 20;

}  // namespace

Result<QuantDescription> QuantDescription::Read(const Checkpoint& checkpoint, const std::string& quantize) {
  std::vector<std::string> names = {"quant_model_description.json", "quant_model_description_" + quantize + ".json"};
  if (quantize == "w8a8_dynamic") names.emplace_back("quant_model_description_w8a8.json");
  for (const std::string& name : names) {
    const Result<std::string> text = checkpoint.ReadTextFile(name, kMaxDescriptionBytes);
    if (text.ok()) return Parse(*text, name);
    if (text.status().code() != StatusCode::kNotFound) return text.status();
  }
  return Status::Corruption(fmt::format("\"quantize\" of config.json is \"{}\", but the checkpoint has no {}", quantize,
                                        fmt::join(names, " and no ")));
}

Result<QuantDescription> QuantDescription::Parse(std::string_view json, const std::string& file_name) {
  QuantDescription description;
  description.file_name_ = file_name;
  SHARDFS_ASSIGN_OR_RETURN(description.document_, ParseJson(json, file_name));
  if (!description.document_.is_object()) {
    return Status::Corruption(fmt::format("{} is not a JSON object", file_name));
  }
  for (const auto& [key, value] : description.document_.members()) description.by_key_.emplace(key, &value);
  return description;
}

std::optional<std::string_view> QuantDescription::KindOf(std::string_view tensor) const {
  const JsonValue* value = Find(tensor);
  return value == nullptr ? std::nullopt : value->AsString();
}

const JsonValue* QuantDescription::Find(std::string_view key) const {
  const auto at = by_key_.find(key);
  return at == by_key_.end() ? nullptr : at->second;
}

std::string QuantDescription::version() const {
  const JsonValue* value = Find("version");
  return value == nullptr ? "0.0.0" : value->text();
}

}  // namespace shardfs
