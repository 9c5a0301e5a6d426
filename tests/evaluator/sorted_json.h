// JSON as text in one order, for documents whose order is free.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "shardfs/base/json.h"

namespace shardfs::evaluator {

// The members and items of `json`, sorted.
inline std::string Sorted(const JsonValue& json) {
  std::vector<std::string> lines;
  for (const JsonValue& item : json.items()) lines.push_back(Sorted(item));
  for (const auto& [key, value] : json.members()) lines.push_back(key + "=" + Sorted(value));
  std::sort(lines.begin(), lines.end());
  std::string text = json.text() + "{";
  for (const std::string& line : lines) text += line + ",";
  return text + "}";
}

}  // namespace shardfs::evaluator
