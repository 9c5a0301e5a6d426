#include "layout/mindie/config/effective_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "layout/mindie/mindie_names.h"

namespace shardfs {
namespace {

constexpr std::uint64_t kMaxConfigBytes = 100u << 20;
constexpr std::uint64_t kMaxDescriptionBytes = 100u << 20;
constexpr const char* kConfig = "config.json";
constexpr const char* kGenerationConfig = "generation_config.json";
constexpr const char* kDescription = "quant_model_description.json";

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

// MindIE's older name of the same kind.
std::string NormalKind(std::string kind) { return kind == "w8a8_mix" ? "w8a8_pdmix" : kind; }

std::string NameFor(std::string_view quantize) {
  return fmt::format("quant_model_description_{}.json", LowerCase(quantize));
}

bool IsGiven(const JsonValue* value) { return value != nullptr && !value->is_null(); }

// The names under which the weights of a model with such a `quantize` of config.json are described, the first first.
std::vector<std::string> DescriptionNames(std::string_view quantize) {
  std::vector<std::string> names = {kDescription};
  if (quantize.empty()) return names;
  names.push_back(NameFor(quantize));
  if (quantize == "w8a8_dynamic" || quantize == "w8a8_pdmix") names.push_back(NameFor("w8a8"));
  return names;
}

}  // namespace

Result<EffectiveConfig> EffectiveConfig::Read(const FileReader& read, const std::string& directory) {
  const Result<std::string> text = read(kConfig, kMaxConfigBytes);
  if (!text.ok() && text.status().code() == StatusCode::kNotFound) {
    return Status::Corruption(fmt::format("{} has no config.json", directory));
  }
  SHARDFS_RETURN_IF_ERROR(text.status());
  SHARDFS_ASSIGN_OR_RETURN(const JsonValue source, ParseJson(*text, kConfig));
  if (!source.is_object()) return Status::Corruption("config.json is not a JSON object");
  EffectiveConfig config;
  SHARDFS_ASSIGN_OR_RETURN(config.written_json_, UnderMindieNames(source));
  config.json_ = config.written_json_;
  if (const JsonValue* quantize = source.Find("quantize"); IsGiven(quantize) && quantize->is_string()) {
    config.quantize_ = NormalKind(quantize->text());
  }
  SHARDFS_RETURN_IF_ERROR(config.ReadDescription(read));
  if (!config.quantize_.empty()) {
    config.json_ = config.json_.WithMember("quantize", JsonValue::String(config.quantize_));
  }
  config.ReadGenerationConfig(read);
  return config;
}

Result<EffectiveConfig> EffectiveConfig::Read(const Checkpoint& checkpoint) {
  const auto read = [&](const std::string& name, std::uint64_t limit) { return checkpoint.ReadText(name, limit); };
  return Read(read, checkpoint.path());
}

Status EffectiveConfig::ReadDescription(const FileReader& read) {
  const JsonValue* configured = written_json_.Find("quantize");
  const std::string in_name = IsGiven(configured) ? configured->text() : "";
  for (const std::string& name : DescriptionNames(in_name)) {
    const Result<std::string> text = read(name, kMaxDescriptionBytes);
    if (!text.ok() && text.status().code() == StatusCode::kNotFound) continue;
    SHARDFS_RETURN_IF_ERROR(text.status());
    SHARDFS_ASSIGN_OR_RETURN(description_, QuantDescription::Parse(*text, name));
    description_has_settings_ = name == kDescription || name == NameFor(in_name);
    break;
  }
  if (!description_ || IsGiven(configured)) return Status::Ok();
  const JsonValue* kind = description_->Find("model_quant_type");
  if (!IsGiven(kind)) return Status::Ok();
  if (!kind->is_string()) {
    return Status::Corruption(fmt::format("\"model_quant_type\" of {} is no string", description_->file_name()));
  }
  quantize_ = NormalKind(LowerCase(kind->text()));
  quantize_is_described_ = true;
  return Status::Ok();
}

void EffectiveConfig::ReadGenerationConfig(const FileReader& read) {
  const Result<std::string> text = read(kGenerationConfig, kMaxConfigBytes);
  if (!text.ok()) {
    if (text.status().code() != StatusCode::kNotFound) generation_status_ = text.status();
    return;
  }
  Result<JsonValue> json = ParseJson(*text, kGenerationConfig);
  if (!json.ok()) {
    generation_status_ = json.status();
  } else if (!json->is_object()) {
    generation_status_ = Status::Corruption(fmt::format("{} is not a JSON object", kGenerationConfig));
  } else {
    generation_ = std::move(json).value();
  }
}

std::string EffectiveConfig::QuantizeOrigin() const {
  const JsonValue* const said =
      quantize_is_described_ ? description_->Find("model_quant_type") : written_json_.Find("quantize");
  const bool is_older = said != nullptr && said->is_string() && LowerCase(said->text()) == "w8a8_mix";
  const std::string name = quantize_is_described_
                               ? fmt::format("\"model_quant_type\" of {}", description_->file_name())
                               : std::string("\"quantize\" of config.json");
  return is_older ? fmt::format("{} ('{}', an older name)", name, said->text()) : name;
}

Status EffectiveConfig::RequireDescription() const {
  if (quantize_.empty() || description_) return Status::Ok();
  const JsonValue* configured = written_json_.Find("quantize");
  return Status::Corruption(fmt::format("\"quantize\" of config.json is \"{}\", but the checkpoint has no {}",
                                        configured->text(),
                                        fmt::join(DescriptionNames(configured->text()), " and no ")));
}

EffectiveConfig::Setting EffectiveConfig::Find(std::string_view key) const {
  if (const JsonValue* value = generation_.Find(key)) return {value, kGenerationConfig};
  const JsonValue* value = json_.Find(key);
  if (value == nullptr) return {};
  const bool described = key == "quantize" && quantize_is_described_;
  return {value, described ? std::string_view(description_->file_name()) : kConfig};
}

EffectiveConfig::Setting EffectiveConfig::FindQuantization(std::string_view key) const {
  const Setting quantization = Find("quantization_config");
  const JsonValue* configured = quantization.value == nullptr ? nullptr : quantization.value->Find(key);
  const JsonValue* described = description_ && description_has_settings_ ? description_->Find(key) : nullptr;
  const bool config_wins = key == "fa_quant_type" && configured != nullptr;
  if (described != nullptr && !config_wins) return {described, description_->file_name()};
  return configured == nullptr ? Setting{} : Setting{configured, quantization.file};
}

JsonValue EffectiveConfig::Quantization(std::string_view key) const {
  const Setting setting = FindQuantization(key);
  return setting.value == nullptr ? JsonValue::Null() : *setting.value;
}

}  // namespace shardfs
