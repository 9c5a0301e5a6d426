#include "layout/mindie/json_files.h"

#include <algorithm>
#include <array>

namespace shardfs {
namespace {

JsonValue FileList(const std::vector<std::string>& names) {
  std::vector<JsonValue> items;
  for (const std::string& name : names) items.push_back(JsonValue::String(name));
  return JsonValue::Array(std::move(items));
}

}  // namespace

std::string MindieConfigJson(const JsonValue& source_config, Dtype dtype) {
  const char* const text = dtype == Dtype::kF16 ? "float16" : "bfloat16";
  return DumpPythonJson(source_config.WithMember("torch_dtype", JsonValue::String(text)));
}

std::string MindieMetadataJson(const MindieMapping& mapping,
                               const std::map<std::string, std::vector<std::string>>& files) {
  std::vector<JsonMember> folders;
  folders.emplace_back(".", FileList({}));
  for (const auto& [folder, names] : files) folders.emplace_back(folder, FileList(names));
  return DumpPythonJson(JsonValue::Object({
      {"world_size", JsonValue::Integer(mapping.world_size())},
      {"parallel_option", JsonValue::Object({
                              {"dp", JsonValue::Integer(mapping.dp())},
                              {"tp", JsonValue::Integer(mapping.tp())},
                              {"moe_tp", JsonValue::Integer(mapping.moe_tp())},
                              {"moe_ep", JsonValue::Integer(mapping.moe_ep())},
                          })},
      {"model_sharded", JsonValue::Object(std::move(folders))},
  }));
}

bool MindieCopiesFile(std::string_view name) {
  constexpr std::array<std::string_view, 5> kParts = {"tokenizer", "tokenization", "special_token_map", "generation",
                                                      "configuration"};
  return std::any_of(kParts.begin(), kParts.end(),
                     [name](std::string_view part) { return name.find(part) != std::string_view::npos; });
}

}  // namespace shardfs
