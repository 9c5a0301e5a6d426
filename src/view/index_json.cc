#include "view/index_json.h"

#include <algorithm>

#include "shardfs/base/json.h"

namespace shardfs {
namespace {

// Moves all that it is given: a map of a hundred thousand tensors takes 30 MB in either form.
std::string Dump(JsonValue metadata, WeightMap weight_map) {
  std::vector<JsonMember> members;
  members.reserve(weight_map.size());
  for (auto& [tensor, file] : weight_map) members.emplace_back(std::move(tensor), JsonValue::String(std::move(file)));
  weight_map = {};
  std::vector<JsonMember> index;
  index.reserve(2);
  index.emplace_back("metadata", std::move(metadata));
  index.emplace_back("weight_map", JsonValue::Object(std::move(members)));
  return DumpPythonJson(JsonValue::Object(std::move(index)), {.indent = 2});
}

}  // namespace

std::string IndexJson(std::uint64_t total_size, WeightMap weight_map, IndexForm form) {
  if (form == IndexForm::kTransformers) std::sort(weight_map.begin(), weight_map.end());
  JsonValue metadata = JsonValue::Object({{"total_size", JsonValue::Number(std::to_string(total_size))}});
  return Dump(std::move(metadata), std::move(weight_map)) + (form == IndexForm::kTransformers ? "\n" : "");
}

std::string SourceIndexJson(const WeightMap& weight_map) { return Dump(JsonValue::Object({}), weight_map); }

}  // namespace shardfs
