#include "shardfs/base/json.h"

#include <algorithm>
#include <cassert>
#include <charconv>

namespace shardfs {

JsonValue JsonValue::Bool(bool value) {
  JsonValue json;
  json.type_ = Type::kBool;
  json.bool_ = value;
  return json;
}

JsonValue JsonValue::Integer(std::int64_t value) { return Number(std::to_string(value)); }

JsonValue JsonValue::Number(std::string text) {
  JsonValue json;
  json.type_ = text.find_first_of(".eE") == text.npos ? Type::kInteger : Type::kFloat;
  json.text_ = std::move(text);
  if (json.type_ == Type::kInteger && json.text_ == "-0") json.text_ = "0";  // integers have no negative zero
  return json;
}

JsonValue JsonValue::String(std::string value) {
  JsonValue json;
  json.type_ = Type::kString;
  json.text_ = std::move(value);
  return json;
}

JsonValue JsonValue::Array(std::vector<JsonValue> items) {
  JsonValue json;
  json.type_ = Type::kArray;
  json.items_ = std::move(items);
  return json;
}

JsonValue JsonValue::Object(std::vector<JsonMember> members) {
  JsonValue json;
  json.type_ = Type::kObject;
  json.members_ = std::move(members);
  return json;
}

std::optional<bool> JsonValue::AsBool() const {
  if (type_ != Type::kBool) return std::nullopt;
  return bool_;
}

std::optional<std::int64_t> JsonValue::AsInt64() const {
  if (type_ != Type::kInteger) return std::nullopt;
  std::int64_t value = 0;
  const char* const end = text_.data() + text_.size();
  const auto [stop, error] = std::from_chars(text_.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::optional<std::string_view> JsonValue::AsString() const {
  if (type_ != Type::kString) return std::nullopt;
  return std::string_view(text_);
}

const JsonValue* JsonValue::Find(std::string_view key) const {
  const auto found = std::find_if(members_.begin(), members_.end(), [&](const auto& m) { return m.first == key; });
  return found == members_.end() ? nullptr : &found->second;
}

JsonValue JsonValue::WithMember(std::string_view key, JsonValue value) const {
  assert(is_object());
  JsonValue copy = *this;
  const auto found =
      std::find_if(copy.members_.begin(), copy.members_.end(), [&](const auto& m) { return m.first == key; });
  if (found != copy.members_.end()) {
    found->second = std::move(value);
  } else {
    copy.members_.emplace_back(std::string(key), std::move(value));
  }
  return copy;
}

}  // namespace shardfs
