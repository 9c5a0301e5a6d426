// A JSON value as a message shows it.
#pragma once

#include <string>

#include "base/quote_name.h"
#include "shardfs/base/json.h"

namespace shardfs {

// Text in quotes, numbers as they are written, of arrays and objects the type.
inline std::string ShownJson(const JsonValue& value) {
  switch (value.type()) {
    case JsonValue::Type::kString:
      return "the string " + QuoteName(value.text());
    case JsonValue::Type::kInteger:
    case JsonValue::Type::kFloat:
      return value.text().substr(0, 40);
    case JsonValue::Type::kNull:
      return "null";
    case JsonValue::Type::kBool:
      return "a boolean";
    case JsonValue::Type::kArray:
      return "an array";
    case JsonValue::Type::kObject:
      break;
  }
  return "an object";
}

}  // namespace shardfs
