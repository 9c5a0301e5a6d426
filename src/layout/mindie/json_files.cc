#include "layout/mindie/json_files.h"

#include <algorithm>
#include <array>

#include "layout/mindie/state_dict_writer.h"

namespace shardfs {
namespace {

JsonValue FileList(const std::vector<std::string>& names) {
  std::vector<JsonValue> items;
  for (const std::string& name : names) items.push_back(JsonValue::String(name));
  return JsonValue::Array(std::move(items));
}

}  // namespace

std::string MindieConfigJson(const JsonValue& config, Dtype dtype) {
  const char* const text = dtype == Dtype::kF16 ? "float16" : "bfloat16";
  return DumpPythonJson(config.WithMember("torch_dtype", JsonValue::String(text)));
}

std::string MindieConfigJson(const EffectiveConfig& config, Dtype dtype, MindieFidelity fidelity) {
  if (fidelity == MindieFidelity::kSharder || !config.quantize_is_described()) {
    return MindieConfigJson(config.written_json(), dtype);
  }
  return MindieConfigJson(config.written_json().WithMember("quantize", JsonValue::String(config.quantize())), dtype);
}

std::vector<JsonMember> MindieDescriptionSettings(const EffectiveConfig& config) {
  JsonValue group_size = config.Quantization("group_size");
  std::vector<JsonMember> members;
  members.emplace_back("group_size", group_size.is_null() ? JsonValue::Integer(0) : std::move(group_size));
  for (const char* key : {"kv_quant_type", "fa_quant_type", "reduce_quant_type"}) {
    members.emplace_back(key, config.Quantization(key));
  }
  return members;
}

std::string MindieDescriptionJson(const QuantDescription& description, std::string_view quantize,
                                  const std::vector<DescribedTensor>& lines, const std::vector<JsonMember>& settings) {
  std::vector<JsonMember> members;
  members.emplace_back("model_quant_type", JsonValue::String(UpperCase(quantize)));
  members.emplace_back("version", description.version());
  for (const DescribedTensor& line : lines) members.emplace_back(line.name, JsonValue::String(line.kind));
  members.insert(members.end(), settings.begin(), settings.end());
  return DumpPythonJson(JsonValue::Object(std::move(members)));
}

std::string MindieDescriptionName(const QuantDescription& description, std::string_view quantize) {
  if (description.has_version()) return "quant_model_description.json";
  return "quant_model_description_" + std::string(quantize) + ".json";
}

std::string MindieMetadataJson(const MindieMapping& mapping, MindieFidelity fidelity,
                               const std::vector<std::string>& root_files,
                               const std::map<std::string, std::vector<std::string>>& files) {
  std::vector<JsonMember> folders;
  folders.emplace_back(".", FileList(root_files));
  for (const auto& [folder, names] : files) folders.emplace_back(folder, FileList(names));
  std::vector<JsonMember> members = {
      {"world_size", JsonValue::Integer(mapping.world_size())},
      {"parallel_option", JsonValue::Object({
                              {"dp", JsonValue::Integer(mapping.dp())},
                              {"tp", JsonValue::Integer(mapping.tp())},
                              {"moe_tp", JsonValue::Integer(mapping.moe_tp())},
                              {"moe_ep", JsonValue::Integer(mapping.moe_ep())},
                          })},
      {"model_sharded", JsonValue::Object(std::move(folders))},
  };
  if (fidelity == MindieFidelity::kLoader) members.emplace_back("shardfs_fidelity", JsonValue::String("loader"));
  return DumpPythonJson(JsonValue::Object(std::move(members)));
}

bool MindieCopiesFile(std::string_view name) {
  constexpr std::array<std::string_view, 5> kParts = {"tokenizer", "tokenization", "special_token_map", "generation",
                                                      "configuration"};
  return std::any_of(kParts.begin(), kParts.end(),
                     [name](std::string_view part) { return name.find(part) != std::string_view::npos; });
}

}  // namespace shardfs
