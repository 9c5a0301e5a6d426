// Every setting of the file is one that the merge goes by, one without effect on it, one that must not be set, or one
// that is not known, which must not be set either: a newer method may mean anything by it.
#include "transform/lora_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/quote_name.h"

namespace shardfs {
namespace {

constexpr std::string_view kEvaluated[] = {"peft_type",        "r",          "lora_alpha",     "rank_pattern",
                                           "alpha_pattern",    "use_rslora", "fan_in_fan_out", "lora_bias",
                                           "init_lora_weights"};
constexpr std::string_view kWithoutEffect[] = {"auto_mapping",
                                               "base_model_name_or_path",
                                               "bias",
                                               "corda_config",
                                               "ensure_weight_tying",
                                               "eva_config",
                                               "exclude_modules",
                                               "inference_mode",
                                               "layers_pattern",
                                               "layers_to_transform",
                                               "lora_dropout",
                                               "loftq_config",
                                               "megatron_core",
                                               "modules_to_save",
                                               "peft_version",
                                               "qalora_group_size",
                                               "revision",
                                               "runtime_config",
                                               "target_modules",
                                               "task_type"};
constexpr std::string_view kNoPlainUpdate[] = {"use_dora",
                                               "use_qalora",
                                               "use_bdlora",
                                               "arrow_config",
                                               "alora_invocation_tokens",
                                               "velora_config",
                                               "monteclora_config",
                                               "kasa_config",
                                               "target_parameters",
                                               "layer_replication",
                                               "trainable_token_indices",
                                               "megatron_config",
                                               "lora_ga_config"};
constexpr std::uint64_t kMaxPatternSize = 2'000'000;  // of all patterns; one for each of 30,000 modules has as much

constexpr std::string_view kKnownInitialisations[] = {"gaussian", "eva", "orthogonal"};

template <typename Names>
bool Has(const Names& names, std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// null, false, 0 and what is empty.
bool IsUnset(const JsonValue& value) {
  switch (value.type()) {
    case JsonValue::Type::kNull:
      return true;
    case JsonValue::Type::kBool:
      return !*value.AsBool();
    case JsonValue::Type::kInteger:
    case JsonValue::Type::kFloat:
      return ParseLoraNumber(value.text()) == 0.0;
    case JsonValue::Type::kString:
      return value.text().empty();
    case JsonValue::Type::kArray:
      return value.items().empty();
    case JsonValue::Type::kObject:
      return value.members().empty();
  }
  return false;
}

std::string Show(const JsonValue& value) {
  std::string text = DumpPythonJson(value, {.indent = 0});
  std::erase(text, '\n');
  constexpr std::size_t kMost = 100;
  return text.size() <= kMost ? text : text.substr(0, kMost) + "...";
}

}  // namespace

std::optional<double> ParseLoraNumber(std::string_view text) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest != end || !std::isfinite(number)) return std::nullopt;
  return number;
}

class LoraConfig::Reader {
 public:
  Reader(const JsonValue& json, std::string_view file) : json_(json), file_(file) {}

  Status CheckSettings() const {
    const JsonValue* const type = json_.Find("peft_type");
    if (type == nullptr || type->AsString() != "LORA") {
      return NotSupported("peft_type is {}, and only \"LORA\" is merged", type == nullptr ? "missing" : Show(*type));
    }
    for (const auto& [name, value] : json_.members()) {
      if (name == "init_lora_weights") {
        SHARDFS_RETURN_IF_ERROR(CheckInitialisation(value));
      } else if (Has(kEvaluated, name) || Has(kWithoutEffect, name) || IsUnset(value)) {
        continue;
      } else if (Has(kNoPlainUpdate, name)) {
        return NotSupported("{} is set, which is not a plain B*A update; merge the adapter with PEFT", name);
      } else {
        return NotSupported("{} is {}, a setting that shardfs does not know; merge the adapter with PEFT",
                            QuoteName(name), Show(value));
      }
    }
    return Status::Ok();
  }

  Status ReadSwitch(std::string_view name, bool* value) const {
    const JsonValue* const found = json_.Find(name);
    if (found == nullptr || found->is_null()) return Status::Ok();
    const auto given = found->AsBool();
    if (!given) return Corruption("{} is {}, not true or false", name, Show(*found));
    *value = *given;
    return Status::Ok();
  }

  Status Read(std::string_view name, std::uint64_t* value) const { return ReadNumber(name, value, &Reader::Rank); }
  Status Read(std::string_view name, double* value) const { return ReadNumber(name, value, &Reader::Alpha); }
  Status Read(std::string_view name, std::vector<std::pair<PythonRegex, std::uint64_t>>* patterns) {
    return ReadPattern(name, patterns, &Reader::Rank);
  }
  Status Read(std::string_view name, std::vector<std::pair<PythonRegex, double>>* patterns) {
    return ReadPattern(name, patterns, &Reader::Alpha);
  }

  std::uint64_t pattern_size() const { return pattern_size_; }

 private:
  template <typename... Arguments>
  Status NotSupported(fmt::format_string<Arguments...> format, Arguments&&... arguments) const {
    return Status::NotSupported(
        fmt::format("{}: {}", file_, fmt::format(format, std::forward<Arguments>(arguments)...)));
  }
  template <typename... Arguments>
  Status Corruption(fmt::format_string<Arguments...> format, Arguments&&... arguments) const {
    return Status::Corruption(fmt::format("{}: {}", file_, fmt::format(format, std::forward<Arguments>(arguments)...)));
  }

  Status CheckInitialisation(const JsonValue& value) const {
    if (value.is_null() || value.AsBool() || (value.is_string() && Has(kKnownInitialisations, value.text()))) {
      return Status::Ok();
    }
    return NotSupported(
        "init_lora_weights is {}, so the adapter belongs to a base that its initialisation has changed; convert it "
        "with PEFT",
        Show(value));
  }

  Result<std::uint64_t> Rank(std::string_view name, const JsonValue& value) const {
    const auto rank = value.AsInt64();
    if (rank && *rank > 0) return static_cast<std::uint64_t>(*rank);
    return Corruption("{} is {}, not a rank of at least 1", name, Show(value));
  }
  Result<double> Alpha(std::string_view name, const JsonValue& value) const {
    const bool is_number = value.is_integer() || value.type() == JsonValue::Type::kFloat;
    const auto alpha = is_number ? ParseLoraNumber(value.text()) : std::nullopt;
    if (alpha) return *alpha;
    return Corruption("{} is {}, not a number", name, Show(value));
  }

  template <typename Number>
  using Convert = Result<Number> (Reader::*)(std::string_view, const JsonValue&) const;

  template <typename Number>
  Status ReadNumber(std::string_view name, Number* value, Convert<Number> convert) const {
    const JsonValue* const found = json_.Find(name);
    if (found == nullptr) return Status::Ok();
    SHARDFS_ASSIGN_OR_RETURN(*value, (this->*convert)(name, *found));
    return Status::Ok();
  }

  // Python's re.match("(.*\.)?(KEY)$", path), in the order of the file.
  template <typename Number>
  Status ReadPattern(std::string_view name, std::vector<std::pair<PythonRegex, Number>>* patterns,
                     Convert<Number> convert) {
    const JsonValue* const found = json_.Find(name);
    if (found == nullptr || found->is_null()) return Status::Ok();
    if (!found->is_object()) return Corruption("{} is {}, not an object", name, Show(*found));
    for (const auto& [key, value] : found->members()) {
      auto regex = PythonRegex::Parse(fmt::format("(.*\\.)?({})$", key));
      if (regex.ok()) pattern_size_ += regex->size();
      if (pattern_size_ > kMaxPatternSize) return NotSupported("{} has more or longer keys than shardfs takes", name);
      if (!regex.ok()) return regex.status().WithContext(fmt::format("{}: {}", file_, name));
      SHARDFS_ASSIGN_OR_RETURN(const Number number,
                               (this->*convert)(fmt::format("{} of {}", name, QuoteName(key)), value));
      patterns->emplace_back(std::move(regex).value(), number);
    }
    return Status::Ok();
  }

  const JsonValue& json_;
  const std::string_view file_;
  std::uint64_t pattern_size_ = 0;
};

Result<LoraConfig> LoraConfig::Parse(std::string_view text, std::string_view file) {
  SHARDFS_ASSIGN_OR_RETURN(const JsonValue json, ParseJson(text, file));
  if (!json.is_object()) return Status::Corruption(fmt::format("{} is not a JSON object", file));
  Reader reader(json, file);
  SHARDFS_RETURN_IF_ERROR(reader.CheckSettings());
  LoraConfig config;
  SHARDFS_RETURN_IF_ERROR(reader.Read("r", &config.rank_));
  SHARDFS_RETURN_IF_ERROR(reader.Read("lora_alpha", &config.alpha_));
  SHARDFS_RETURN_IF_ERROR(reader.Read("rank_pattern", &config.ranks_));
  SHARDFS_RETURN_IF_ERROR(reader.Read("alpha_pattern", &config.alphas_));
  config.pattern_size_ = reader.pattern_size();
  SHARDFS_RETURN_IF_ERROR(reader.ReadSwitch("use_rslora", &config.uses_rslora_));
  SHARDFS_RETURN_IF_ERROR(reader.ReadSwitch("fan_in_fan_out", &config.fan_in_fan_out_));
  SHARDFS_RETURN_IF_ERROR(reader.ReadSwitch("lora_bias", &config.lora_bias_));
  return config;
}

LoraConfig::Module LoraConfig::ModuleOf(std::string_view path) const {
  const auto matches = [path](const auto& pattern) { return pattern.first.MatchesAtStart(path); };
  const auto rank = std::find_if(ranks_.begin(), ranks_.end(), matches);
  const auto alpha = std::find_if(alphas_.begin(), alphas_.end(), matches);
  Module module;
  module.rank = rank == ranks_.end() ? rank_ : rank->second;
  const auto divisor = static_cast<double>(module.rank);
  module.scaling = (alpha == alphas_.end() ? alpha_ : alpha->second) / (uses_rslora_ ? std::sqrt(divisor) : divisor);
  return module;
}

}  // namespace shardfs
