#include "layout/mindie/mindie_names.h"

#include <fmt/format.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layout/mindie/shown_json.h"

namespace shardfs {
namespace {

struct RenamedKey {
  std::string_view older;  // as MindIE reads it
  std::string_view newer;
};
constexpr std::array<RenamedKey, 2> kRenamedKeys = {
    {{"torch_dtype", "dtype"}, {"n_routed_experts", "num_local_experts"}}};

// A key that is absent, or null.
const JsonValue* Given(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.Find(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

// As Python compares them, as far as these keys go: numbers by value, strings by text.
bool SameValue(const JsonValue& a, const JsonValue& b) {
  if (a.is_string() != b.is_string()) return false;
  const auto number = a.AsInt64();
  return number && b.AsInt64() ? number == b.AsInt64() : a.text() == b.text();
}

// rope_scaling as it was before transformers 5: `type` beside `rope_type`, and no rope_theta. Null where the positions
// are not scaled.
JsonValue RopeScalingOf(const JsonValue& parameters) {
  const JsonValue* type = Given(parameters, "type");
  if (type == nullptr) type = Given(parameters, "rope_type");
  if (type == nullptr || type->text() == "default") return JsonValue::Null();
  std::vector<JsonMember> members;
  for (const auto& [key, value] : parameters.members()) {
    if (key != "rope_theta") members.emplace_back(key, value);
  }
  return JsonValue::Object(std::move(members)).WithMember("type", *type);
}

JsonValue WithRopeKeys(const JsonValue& config) {
  const JsonValue* parameters = Given(config, "rope_parameters");
  if (parameters == nullptr || !parameters->is_object()) return config;
  JsonValue named = config;
  if (Given(config, "rope_scaling") == nullptr) {
    JsonValue scaling = RopeScalingOf(*parameters);
    if (!scaling.is_null()) named = named.WithMember("rope_scaling", std::move(scaling));
  }
  const JsonValue* theta = Given(*parameters, "rope_theta");
  if (theta != nullptr && Given(config, "rope_theta") == nullptr) named = named.WithMember("rope_theta", *theta);
  return named;
}

}  // namespace

Result<JsonValue> UnderMindieNames(const JsonValue& config) {
  JsonValue named = config;
  for (const RenamedKey& key : kRenamedKeys) {
    const JsonValue* newer = Given(config, key.newer);
    if (newer == nullptr) continue;
    const JsonValue* older = Given(config, key.older);
    if (older == nullptr) {
      named = named.WithMember(key.older, *newer);
    } else if (!SameValue(*older, *newer)) {
      return Status::Corruption(fmt::format(
          "config.json has \"{}\" {} and \"{}\" {}, which are two names of one setting; remove the one that is wrong",
          key.older, ShownJson(*older), key.newer, ShownJson(*newer)));
    }
  }
  return WithRopeKeys(named);
}

}  // namespace shardfs
