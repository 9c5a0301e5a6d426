#include <nlohmann/json.hpp>

#include "bench/report.h"

namespace shardfs::bench {
namespace {

using Json = nlohmann::ordered_json;

const char* BoundName(Bound bound) {
  switch (bound) {
    case Bound::kRatioAtLeast:
      return "ratio_at_least";
    case Bound::kRatioAtMost:
      return "ratio_at_most";
    case Bound::kValueAtMost:
      return "value_at_most";
  }
  return "";
}

Json OrNull(const auto& optional) { return optional ? Json(*optional) : Json(nullptr); }

Json JsonOf(const Row& row) {
  Json json;
  json["name"] = row.name;
  json["against"] = row.against;
  json["unit"] = row.unit;
  json["better"] = row.better == Better::kHigher ? "higher" : "lower";
  if (!row.measured()) {
    json["skipped"] = row.skipped;
  } else {
    json["ours"] = row.Value();
    json["reference"] = OrNull(row.ReferenceValue());
    json["ratio"] = OrNull(row.Ratio());
    json["rounds"] = {{"ours", row.ours}, {"reference", row.reference}};
  }
  json["target"] = row.target ? Json{{BoundName(row.target->bound), row.target->limit}} : Json(nullptr);
  json["met"] = OrNull(row.Met());
  return json;
}

}  // namespace

std::string JsonText(const Report& report) {
  Json json;
  for (const auto& [name, value] : report.facts) json["facts"][name] = value;
  json["rows"] = Json::array();
  for (const Row& row : report.rows) json["rows"].push_back(JsonOf(row));
  // Names of processors and files may hold any bytes.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace shardfs::bench
