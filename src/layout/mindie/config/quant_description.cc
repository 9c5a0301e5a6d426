#include "layout/mindie/config/quant_description.h"

#include <fmt/format.h>

#include <algorithm>

namespace shardfs {
Result<QuantDescription> QuantDescription::Parse(std::string_view json, const std::string& file_name) {
  QuantDescription description;
  description.file_name_ = file_name;
  SHARDFS_ASSIGN_OR_RETURN(description.document_, ParseJson(json, file_name));
  if (!description.document_.is_object()) {
    return Status::Corruption(fmt::format("{} is not a JSON object", file_name));
  }
  description.by_key_.reserve(description.document_.members().size());
  for (const auto& [key, value] : description.document_.members()) description.by_key_.emplace(key, &value);
  return description;
}

std::optional<std::string_view> QuantDescription::KindOf(std::string_view tensor) const {
  const JsonValue* value = Find(tensor);
  return value == nullptr ? std::nullopt : value->AsString();
}

bool QuantDescription::HasWeights() const {
  const auto& members = document_.members();
  return std::any_of(members.begin(), members.end(),
                     [](const JsonMember& member) { return member.first.ends_with(".weight"); });
}

const JsonValue* QuantDescription::Find(std::string_view key) const {
  const auto at = by_key_.find(key);
  return at == by_key_.end() ? nullptr : at->second;
}

JsonValue QuantDescription::version() const {
  const JsonValue* value = Find("version");
  return value == nullptr ? JsonValue::String("0.0.0") : *value;
}

bool QuantDescription::HasGroupSize() const {
  const JsonValue* value = Find("group_size");
  return value != nullptr && value->AsInt64().value_or(0) != 0;
}

bool QuantDescription::has_version() const {
  const JsonValue* value = Find("version");
  return value != nullptr && value->AsString() != "0.0.0";
}

}  // namespace shardfs
