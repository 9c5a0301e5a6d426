#include "tools/model_config.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

namespace shardfs::tools {

ModelConfig::ModelConfig(std::span<const ConfigEntry> entries) {
  values_.reserve(entries.size());
  for (const ConfigEntry& entry : entries) values_.push_back({std::string(entry.key), std::string(entry.json)});
}

const ModelConfig::Value* ModelConfig::Find(std::string_view key) const {
  const auto found = std::ranges::find(values_, key, &Value::key);
  return found == values_.end() ? nullptr : &*found;
}

std::string_view ModelConfig::Text(std::string_view key) const {
  const Value* value = Find(key);
  return value == nullptr ? std::string_view() : value->json;
}

Result<std::uint64_t> ModelConfig::Number(std::string_view key) const {
  const Value* value = Find(key);
  if (value == nullptr) return Status::InvalidArgument(fmt::format("config.json has no key {}", key));
  const std::string& text = value->json;
  if (text == "true") return 1;
  if (text == "false" || text == "null") return 0;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Status::InvalidArgument(fmt::format("config.json's {} is {}: give a whole number", key, text));
  }
  return number;
}

void ModelConfig::Set(std::string_view key, std::string json) {
  const auto found = std::ranges::find(values_, key, &Value::key);
  if (found == values_.end()) {
    values_.push_back({std::string(key), std::move(json)});
  } else {
    found->json = std::move(json);
  }
}

void ModelConfig::InsertBefore(std::string_view next, std::string_view key, std::string json) {
  values_.insert(std::ranges::find(values_, next, &Value::key), Value{std::string(key), std::move(json)});
}

Result<Dtype> ModelConfig::TorchDtype() const {
  const std::string_view text = Text("torch_dtype");
  if (text == "\"bfloat16\"") return Dtype::kBF16;
  if (text == "\"float16\"") return Dtype::kF16;
  return Status::InvalidArgument(fmt::format("config.json's torch_dtype is {}: give bfloat16 or float16", text));
}

void ModelConfig::SetTorchDtype(Dtype dtype) {
  Set("torch_dtype", dtype == Dtype::kF16 ? "\"float16\"" : "\"bfloat16\"");
}

std::string ModelConfig::Json() const {
  std::string json = "{";
  const char* separator = "\n";
  for (const auto& [key, value] : values_) {
    fmt::format_to(std::back_inserter(json), "{}  \"{}\": {}", separator, key, value);
    separator = ",\n";
  }
  json += "\n}\n";
  return json;
}

}  // namespace shardfs::tools
