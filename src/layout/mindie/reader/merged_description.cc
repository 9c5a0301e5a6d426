#include "layout/mindie/reader/merged_description.h"

#include <fmt/format.h>

#include "layout/mindie/state_dict_writer.h"
#include "shardfs/base/json.h"

namespace shardfs {
namespace {

// As Python sees a value in a condition.
bool IsTrue(const JsonValue* value) {
  if (value == nullptr || value->is_null()) return false;
  if (const auto flag = value->AsBool()) return *flag;
  if (value->is_string()) return !value->text().empty();
  if (value->is_integer()) return value->AsInt64() != 0;
  return true;
}

class DescriptionWriter {
 public:
  DescriptionWriter(const MergedTensors& tensors, const DeepseekConfig& config, const QuantDescription& description)
      : tensors_(tensors),
        config_(config),
        description_(description),
        mtp_prefix_(fmt::format("model.layers.{}.", config.layers)) {}

  std::string Write() {
    Add("model_quant_type", UpperCase(config_.quantize));
    if (description_.has_version()) members_.emplace_back("version", description_.version());
    for (std::size_t i = 0; i < tensors_.specs.size(); ++i) AddTensor(i);
    AddSettings();
    return DumpPythonJson(JsonValue::Object(std::move(members_)), {.indent = 2});
  }

 private:
  void Add(std::string key, std::string value) {
    members_.emplace_back(std::move(key), JsonValue::String(std::move(value)));
  }

  // What config.json says of the linears of a group, as the layout reads it again.
  const std::string& QuantizeOf(std::string_view name) const {
    if (name.find(".self_attn.") != std::string_view::npos) return config_.AttentionQuantize();
    if (name.find(".mlp.experts.") == std::string_view::npos) return config_.quantize;
    return config_.ExpertQuantize(name.starts_with(mtp_prefix_));
  }

  std::string KindOf(std::size_t index) const {
    const std::string_view name = tensors_.NameAt(index);
    switch (static_cast<MergedKind>(tensors_.kinds[index])) {
      case MergedKind::kFloat:
        break;
      case MergedKind::kW8A8:
        return "W8A8";
      case MergedKind::kW4A8:
        return "W4A8_DYNAMIC";
      case MergedKind::kDynamic:
        return UpperCase(QuantizeOf(name));
    }
    if (name.find(".module.") == std::string_view::npos) return "FLOAT";
    return std::string(description_.KindOf(name).value_or("W8A8"));
  }

  void AddTensor(std::size_t index) {
    const std::string name(tensors_.NameAt(index));
    Add(name, KindOf(index));
    // The directory may describe an anti-outlier pair that weight_sharder did not store.
    constexpr std::string_view kWeight = "norm.weight";
    if (!name.ends_with(kWeight)) return;
    const std::string pair = name.substr(0, name.size() - std::string_view(".weight").size()) + ".module.weight";
    const bool is_shown = index + 1 < tensors_.specs.size() && tensors_.NameAt(index + 1) == pair;
    const auto described = description_.KindOf(pair);
    if (!is_shown && described) Add(pair, std::string(*described));
  }

  void AddSettings() {
    const JsonValue* const group_size = description_.Find("group_size");
    if (IsTrue(group_size)) {
      members_.emplace_back("group_size", *group_size);
    } else if (description_.has_version()) {
      members_.emplace_back("group_size", JsonValue::Integer(0));
    }
    for (const char* key : {"kv_quant_type", "fa_quant_type", "reduce_quant_type"}) {
      const JsonValue* const value = description_.Find(key);
      if (IsTrue(value)) members_.emplace_back(key, *value);
    }
  }

  const MergedTensors& tensors_;
  const DeepseekConfig& config_;
  const QuantDescription& description_;
  const std::string mtp_prefix_;  // of the MTP layer's names
  std::vector<JsonMember> members_;
};

}  // namespace

std::string MergedDescriptionJson(const MergedTensors& tensors, const DeepseekConfig& config,
                                  const QuantDescription& description) {
  return DescriptionWriter(tensors, config, description).Write();
}

}  // namespace shardfs
