#include "verify/verifier_json.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace shardfs {
namespace {

constexpr std::string_view kNothing = "nothing";

// Compact JSON with members and items in a fixed order: equal texts are equal values. (For strings DumpPythonJson's
// escapes do; it ends with no newline.)
std::string Canonical(const JsonValue& value) {
  if (!value.is_array() && !value.is_object()) return DumpPythonJson(value);
  std::vector<std::string> parts;
  for (const JsonValue& item : value.items()) parts.push_back(Canonical(item));
  for (const JsonMember& member : value.members()) {
    parts.push_back(DumpPythonJson(JsonValue::String(member.first)) + ": " + Canonical(member.second));
  }
  std::sort(parts.begin(), parts.end());
  std::string text = value.is_array() ? "[" : "{";
  for (std::size_t i = 0; i < parts.size(); ++i) text += (i == 0 ? "" : ", ") + parts[i];
  return text + (value.is_array() ? "]" : "}");
}

std::string Shown(const std::string& canonical) {
  constexpr std::size_t kMaxShown = 160;  // ASCII: DumpPythonJson escapes all else
  return canonical.size() <= kMaxShown ? canonical : canonical.substr(0, kMaxShown) + "...";
}

std::string Below(const std::string& place, const std::string& key) { return place.empty() ? key : place + "." + key; }

std::optional<JsonDifference> Compare(const std::string& place, const JsonValue& expected, const JsonValue& actual);

std::optional<JsonDifference> CompareObjects(const std::string& place, const JsonValue& expected,
                                             const JsonValue& actual) {
  for (const auto& [key, value] : expected.members()) {
    const JsonValue* other = actual.Find(key);
    if (other == nullptr) return JsonDifference{Below(place, key), Shown(Canonical(value)), std::string(kNothing)};
    if (auto difference = Compare(Below(place, key), value, *other)) return difference;
  }
  for (const auto& [key, value] : actual.members()) {
    if (expected.Find(key) != nullptr) continue;
    return JsonDifference{Below(place, key), std::string(kNothing), Shown(Canonical(value))};
  }
  return std::nullopt;
}

std::optional<JsonDifference> CompareArrays(const std::string& place, const JsonValue& expected,
                                            const JsonValue& actual) {
  std::vector<std::string> left;
  std::vector<std::string> right;
  for (const JsonValue& item : expected.items()) left.push_back(Canonical(item));
  for (const JsonValue& item : actual.items()) right.push_back(Canonical(item));
  std::sort(left.begin(), left.end());
  std::sort(right.begin(), right.end());
  std::vector<std::string> only_left;
  std::vector<std::string> only_right;
  std::set_difference(left.begin(), left.end(), right.begin(), right.end(), std::back_inserter(only_left));
  std::set_difference(right.begin(), right.end(), left.begin(), left.end(), std::back_inserter(only_right));
  if (only_left.empty() && only_right.empty()) return std::nullopt;
  return JsonDifference{place + "[]", only_left.empty() ? std::string(kNothing) : Shown(only_left[0]),
                        only_right.empty() ? std::string(kNothing) : Shown(only_right[0])};
}

std::optional<JsonDifference> Compare(const std::string& place, const JsonValue& expected, const JsonValue& actual) {
  if (expected.is_object() && actual.is_object()) return CompareObjects(place, expected, actual);
  if (expected.is_array() && actual.is_array()) return CompareArrays(place, expected, actual);
  std::string left = Canonical(expected);
  std::string right = Canonical(actual);
  if (left == right) return std::nullopt;
  return JsonDifference{place, Shown(left), Shown(right)};
}

}  // namespace

std::optional<JsonDifference> FindJsonDifference(const JsonValue& expected, const JsonValue& actual) {
  return Compare("", expected, actual);
}

}  // namespace shardfs
