#include "view/index_json.h"

#include <algorithm>

#include "shardfs/base/json.h"

namespace shardfs {
namespace {

std::string Dump(JsonValue metadata, const WeightMap& weight_map) {
  std::vector<JsonMember> members;
  members.reserve(weight_map.size());
  for (const auto& [tensor, file] : weight_map) members.emplace_back(tensor, JsonValue::String(file));
  return DumpPythonJson(
      JsonValue::Object({{"metadata", std::move(metadata)}, {"weight_map", JsonValue::Object(std::move(members))}}),
      {.indent = 2});
}

}  // namespace

std::string IndexJson(std::uint64_t total_size, WeightMap weight_map, IndexForm form) {
  if (form == IndexForm::kTransformers) std::sort(weight_map.begin(), weight_map.end());
  JsonValue metadata = JsonValue::Object({{"total_size", JsonValue::Number(std::to_string(total_size))}});
  return Dump(std::move(metadata), weight_map) + (form == IndexForm::kTransformers ? "\n" : "");
}

std::string SourceIndexJson(const WeightMap& weight_map) { return Dump(JsonValue::Object({}), weight_map); }

}  // namespace shardfs
