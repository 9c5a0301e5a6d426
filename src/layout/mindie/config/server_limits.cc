// The table of section 8 as data, and a loop that holds a configuration against it. Each row is a key and the values
// that MindIE takes. Numbers are compared as Python compares them: true is 1, 64.0 is 64, and a string is no number.
#include "layout/mindie/config/server_limits.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "base/quote_name.h"
#include "console/message_text.h"
#include "layout/mindie/shown_json.h"

namespace shardfs {
namespace {

Text Shown(const JsonValue& value) { return TextOfMessage(ShownJson(value)); }

enum class Rule : std::uint8_t {
  kNotZero,
  kOneOfNumbers,
  kOneOfTexts,
  kRange,      // a number from `lowest` to `highest`, and not above the value of `at_most`
  kEachRange,  // an array of such numbers
};

struct Row {
  std::string_view object;  // "": a key of the top level
  std::string_view key;
  Rule rule;
  std::span<const std::string_view> accepted = {};  // kOneOf*
  double lowest = 0;
  double highest = std::numeric_limits<double>::infinity();
  std::string_view at_most = {};            // another key of the top level
  std::optional<std::int64_t> absent = {};  // what an absent key counts as, where that is checked as well
  bool decides_shapes = false;
};

constexpr double kHalfMax = 65504;
constexpr double kIntMax = 2147483647;
constexpr double kNoLimit = std::numeric_limits<double>::infinity();
constexpr std::string_view kTop;
constexpr std::string_view kQuantization = "quantization_config";
constexpr std::string_view kRope = "rope_scaling";

constexpr std::string_view kGroupSizes[] = {"0", "64", "128", "256"};
constexpr std::string_view kQuantizeKinds[] = {"w8a8",     "w8a8s",        "w8a8sc",     "w8a16",
                                               "w4a16",    "w8a8_dynamic", "w8a8_pdmix", "w4a8_dynamic",
                                               "w8a8_mix", "w16a16s",      "w16a16sc"};
constexpr std::string_view kKvTypes[] = {"C8"};
constexpr std::string_view kReduceTypes[] = {"per_channel"};
constexpr std::string_view kFaTypes[] = {"FAQuant", "FAKQuant"};
constexpr std::string_view kScalingTypes[] = {"linear", "dynamic", "yarn", "llama3", "su", "longrope"};
constexpr std::string_view kRopeTypes[] = {"dynamic", "yarn", "llama3"};
constexpr std::string_view kTopkMethods[] = {"greedy", "group_limited_greedy", "noaux_tc"};

constexpr Row kTable[] = {
    {kTop, "max_position_embeddings", Rule::kNotZero},
    {kTop, "vocab_size", Rule::kNotZero},
    {kQuantization, "group_size", Rule::kOneOfNumbers, kGroupSizes},
    {kTop, "quantize", Rule::kOneOfTexts, kQuantizeKinds},
    {kQuantization, "kv_quant_type", Rule::kOneOfTexts, kKvTypes},
    {kQuantization, "reduce_quant_type", Rule::kOneOfTexts, kReduceTypes},
    {kQuantization, "fa_quant_type", Rule::kOneOfTexts, kFaTypes},
    {kRope, "type", Rule::kOneOfTexts, kScalingTypes},
    {kRope, "rope_type", Rule::kOneOfTexts, kRopeTypes},
    {kRope, "factor", Rule::kRange, {}, -kHalfMax, kHalfMax},
    {kRope, "long_factor", Rule::kEachRange, {}, -kHalfMax, kHalfMax},
    {kRope, "short_factor", Rule::kEachRange, {}, -kHalfMax, kHalfMax},
    {kRope, "low_freq_factor", Rule::kRange, {}, 1, 4},
    {kRope, "high_freq_factor", Rule::kRange, {}, 1, 4},
    {kRope, "original_max_position_embeddings", Rule::kRange, {}, 1, kIntMax},
    {kRope, "rope_theta", Rule::kRange, {}, 1, kIntMax},
    {kRope, "attention_factor", Rule::kRange, {}, 1, kIntMax},
    {kRope, "beta_fast", Rule::kRange, {}, 1, kIntMax},
    {kRope, "beta_slow", Rule::kRange, {}, 1, kIntMax},
    {kTop, "num_experts_per_tok", Rule::kRange, {}, 1, 256, "n_routed_experts"},
    {kTop, "n_shared_experts", Rule::kRange, {}, 0, 256},
    {kTop, "first_k_dense_replace", Rule::kRange, {}, 0, 61, "num_hidden_layers", {}, true},
    {kTop, "q_lora_rank", Rule::kRange, {}, 1, 1536, {}, {}, true},
    {kTop, "qk_nope_head_dim", Rule::kRange, {}, 1, 128, {}, {}, true},
    {kTop, "qk_rope_head_dim", Rule::kRange, {}, 1, 64, {}, {}, true},
    {kTop, "topk_method", Rule::kOneOfTexts, kTopkMethods},
    {kTop, "top_k", Rule::kRange, {}, -kNoLimit, kNoLimit, "vocab_size", 1000},
};

std::optional<double> NumberOf(const JsonValue& value) {
  if (const auto flag = value.AsBool()) return *flag ? 1 : 0;
  if (value.type() != JsonValue::Type::kInteger && value.type() != JsonValue::Type::kFloat) return std::nullopt;
  double number = 0;
  const std::string& text = value.text();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::result_out_of_range) return text.front() == '-' ? -kNoLimit : kNoLimit;
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

std::string Written(double number) { return fmt::format("{:.0f}", number); }

class Checker {
 public:
  explicit Checker(const EffectiveConfig& config) : config_(config) {}

  std::vector<RefusedSetting> Run() {
    CheckRopeScaling();
    for (const Row& row : kTable) Check(row);
    CheckGroups();
    return std::move(refused_);
  }

 private:
  // Null for an absent key.
  EffectiveConfig::Setting SettingOf(const Row& row) const {
    if (row.object == kQuantization) return config_.FindQuantization(row.key);
    if (row.object.empty()) return config_.Find(row.key);
    const EffectiveConfig::Setting object = config_.Find(row.object);
    return {object.value == nullptr ? nullptr : object.value->Find(row.key), object.file};
  }

  void Check(const Row& row) {
    const EffectiveConfig::Setting setting = SettingOf(row);
    const bool absent = setting.value == nullptr || (setting.value->is_null() && row.rule != Rule::kNotZero);
    if (absent && (!row.absent || !config_.generation_status().ok())) return;
    const JsonValue value = absent ? JsonValue::Integer(*row.absent) : *setting.value;
    const Text shown =
        absent ? Tr("is absent, which counts as {}", *row.absent) : Tr("is {} in {}", Shown(value), setting.file);
    if (!Takes(row, value)) {
      Refuse(row, setting, Tr("{}, and MindIE takes {}", shown, Accepted(row)), row.decides_shapes);
    } else if (!row.at_most.empty()) {
      CheckAtMost(row, setting, value, shown);
    }
  }

  static bool Takes(const Row& row, const JsonValue& value) {
    const std::optional<double> number = NumberOf(value);
    switch (row.rule) {
      case Rule::kNotZero:
        return number != 0;
      case Rule::kOneOfTexts:
        return value.is_string() && Contains(row.accepted, value.text());
      case Rule::kOneOfNumbers:
        return number && std::trunc(*number) == *number && Contains(row.accepted, Written(*number));
      case Rule::kRange:
        return number && *number >= row.lowest && *number <= row.highest;
      case Rule::kEachRange:
        break;
    }
    if (!value.is_array()) return false;
    for (const JsonValue& item : value.items()) {
      const std::optional<double> each = NumberOf(item);
      if (!each || *each < row.lowest || *each > row.highest) return false;
    }
    return true;
  }

  static bool Contains(std::span<const std::string_view> accepted, std::string_view text) {
    for (const std::string_view one : accepted) {
      if (one == text) return true;
    }
    return false;
  }

  static Text Accepted(const Row& row) {
    switch (row.rule) {
      case Rule::kNotZero:
        return Tr("any other number");
      case Rule::kOneOfNumbers:
        return Tr("{} (256: only its newest versions)", fmt::format("{}", fmt::join(row.accepted, ", ")));
      case Rule::kOneOfTexts: {
        const std::string all = fmt::format("{}", fmt::join(row.accepted, ", "));
        return row.key == "topk_method" ? Text(all) : Tr("{} or null", all);
      }
      default:
        break;
    }
    const Text what = row.rule == Rule::kEachRange ? Tr("numbers") : Tr("a number");
    if (row.highest == kNoLimit) return what;
    return Tr("{} from {} to {}", what, Written(row.lowest), Written(row.highest));
  }

  void CheckAtMost(const Row& row, const EffectiveConfig::Setting& setting, const JsonValue& value, const Text& shown) {
    const EffectiveConfig::Setting most = config_.Find(row.at_most);
    const std::optional<double> limit = most.value == nullptr ? std::nullopt : NumberOf(*most.value);
    if (!limit || NumberOf(value) <= limit) return;
    Refuse(row, setting, Tr("{}, and MindIE takes at most \"{}\", which is {}", shown, row.at_most, Shown(*most.value)),
           false);
  }

  void Refuse(const Row& row, const EffectiveConfig::Setting& setting, Text problem, bool decides_shapes) {
    refused_.push_back({row.object.empty() ? std::string(row.key) : fmt::format("{}.{}", row.object, row.key),
                        setting.value == nullptr ? "config.json" : std::string(setting.file), std::move(problem),
                        decides_shapes});
  }

  // Required by the DeepSeek configuration, though not by the class below it.
  void CheckRopeScaling() {
    const EffectiveConfig::Setting setting = config_.Find(kRope);
    if (setting.value != nullptr && setting.value->is_object()) return;
    const bool absent = setting.value == nullptr || setting.value->is_null();
    refused_.push_back({std::string(kRope), absent ? "config.json" : std::string(setting.file),
                        absent ? Tr("is absent, and MindIE's DeepSeek configuration requires it")
                               : Tr("is {} in {}, and MindIE takes an object", Shown(*setting.value), setting.file)});
  }

  // Refuses topk_method greedy, except where experts have one group, or as many as are picked.
  void CheckGroups() {
    const EffectiveConfig::Setting method = config_.Find("topk_method");
    if (method.value == nullptr || method.value->AsString() != "greedy") return;
    const auto number = [&](std::string_view key) {
      const JsonValue* value = config_.Find(key).value;
      return value == nullptr ? std::nullopt : NumberOf(*value);
    };
    const auto groups = number("n_group");
    const auto picked = number("topk_group");
    const auto given = [&](const char* key) {
      const JsonValue* value = config_.Find(key).value;
      return value == nullptr || value->is_null() ? nullptr : value;
    };
    const JsonValue* const all = given("n_group");
    const JsonValue* const some = given("topk_group");
    const bool are_numbers = (all == nullptr || groups) && (some == nullptr || picked);
    const bool are_same =
        all != nullptr && some != nullptr && all->type() == some->type() && all->text() == some->text();
    if (groups == 1 || (are_numbers ? groups == picked : are_same)) return;
    const auto shown = [](const JsonValue* value) { return value == nullptr ? Tr("absent") : Shown(*value); };
    refused_.push_back({"topk_group", std::string(method.file),
                        Tr("is {} with \"topk_method\" greedy, and MindIE takes the value of \"n_group\" "
                           "then, which is {}, unless that is 1",
                           shown(some), shown(all))});
  }

  const EffectiveConfig& config_;
  std::vector<RefusedSetting> refused_;
};

}  // namespace

std::vector<RefusedSetting> FindRefusedSettings(const EffectiveConfig& config) { return Checker(config).Run(); }

std::vector<std::string> RefusalWarnings(const EffectiveConfig& config) {
  std::vector<std::string> warnings;
  for (const RefusedSetting& setting : FindRefusedSettings(config)) {
    warnings.push_back(fmt::format("MindIE will refuse this model: \"{}\" {}", setting.key, setting.problem));
  }
  if (!config.generation_status().ok()) {
    warnings.push_back(fmt::format("MindIE will refuse this model: {}", config.generation_status().message()));
  }
  return warnings;
}

std::vector<std::string> RefusalWarnings(const Checkpoint& checkpoint) {
  const auto config = EffectiveConfig::Read(checkpoint);
  return config.ok() ? RefusalWarnings(*config) : std::vector<std::string>{};
}

}  // namespace shardfs
