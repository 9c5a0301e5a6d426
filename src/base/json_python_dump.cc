#include <charconv>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <nlohmann/json.hpp>

#include "shardfs/base/json.h"

namespace shardfs {
namespace {

// The value that Python's float() reads: infinity beyond a double's range, 0 below it.
double ParseDouble(const std::string& text) {
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc::result_out_of_range ? std::strtod(text.c_str(), nullptr) : value;
}

// repr() of CPython: the fewest digits that read back as the same double, fixed for exponents from -4 to 15, else
// scientific with an exponent of at least two digits. (Python/pystrtod.c, format_float_short)
std::string PythonFloat(double value) {
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  char buffer[32];  // the longest: -1.2345678901234567e-308
  const auto written = std::to_chars(std::begin(buffer), std::end(buffer), value, std::chars_format::scientific);
  std::string scientific(buffer, written.ptr);
  const std::size_t e = scientific.find('e');
  const int exponent = std::atoi(scientific.c_str() + e + 1);
  if (exponent < -4 || exponent >= 16) return scientific;  // to_chars gives the exponent two digits as well

  std::string sign;
  std::string digits;
  for (const char c : scientific.substr(0, e)) {
    if (c == '-') {
      sign = c;
    } else if (c != '.') {
      digits += c;
    }
  }
  if (exponent < 0) return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  const std::size_t whole = static_cast<std::size_t>(exponent) + 1;  // digits before the point
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

// nlohmann escapes as Python does: short forms, else \uxxxx in lower case; with ensure_ascii DEL and all above it.
std::string PythonString(const std::string& text, const PythonJsonStyle& style) {
  return nlohmann::json(text).dump(-1, ' ', style.ensure_ascii, nlohmann::json::error_handler_t::replace);
}

void Dump(const JsonValue& value, const PythonJsonStyle& style, std::size_t depth, std::string& out);

// What stands before an item and before the end of a container of items, `depth` containers deep.
std::string LineStart(const PythonJsonStyle& style, std::size_t depth) {
  return style.indent ? "\n" + std::string(depth * *style.indent, ' ') : "";
}

void DumpArray(const JsonValue& value, const PythonJsonStyle& style, std::size_t depth, std::string& out) {
  const std::string start = LineStart(style, depth + 1);
  std::string_view comma = "";
  out += '[';
  for (const JsonValue& item : value.items()) {
    out += comma;
    out += start;
    Dump(item, style, depth + 1, out);
    comma = style.indent ? "," : ", ";
  }
  if (!value.items().empty()) out += LineStart(style, depth);
  out += ']';
}

void DumpObject(const JsonValue& value, const PythonJsonStyle& style, std::size_t depth, std::string& out) {
  const std::string start = LineStart(style, depth + 1);
  std::string_view comma = "";
  out += '{';
  for (const auto& [key, member] : value.members()) {
    out += comma;
    out += start;
    out += PythonString(key, style);
    out += ": ";
    Dump(member, style, depth + 1, out);
    comma = style.indent ? "," : ", ";
  }
  if (!value.members().empty()) out += LineStart(style, depth);
  out += '}';
}

void Dump(const JsonValue& value, const PythonJsonStyle& style, std::size_t depth, std::string& out) {
  switch (value.type()) {
    case JsonValue::Type::kNull:
      out += "null";
      return;
    case JsonValue::Type::kBool:
      out += *value.AsBool() ? "true" : "false";
      return;
    case JsonValue::Type::kInteger:
      out += value.text();
      return;
    case JsonValue::Type::kFloat:
      out += PythonFloat(ParseDouble(value.text()));
      return;
    case JsonValue::Type::kString:
      out += PythonString(value.text(), style);
      return;
    case JsonValue::Type::kArray:
      DumpArray(value, style, depth, out);
      return;
    case JsonValue::Type::kObject:
      DumpObject(value, style, depth, out);
      return;
  }
}

}  // namespace

std::string DumpPythonJson(const JsonValue& value, const PythonJsonStyle& style) {
  std::string out;
  Dump(value, style, 0, out);
  return out;
}

bool IsUtf8(const std::string& text) {
  try {
    static_cast<void>(nlohmann::json(text).dump());
    return true;
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

}  // namespace shardfs
