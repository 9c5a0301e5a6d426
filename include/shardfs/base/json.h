// Strict JSON: parsed with nlohmann's SAX reader, so that what its DOM reader accepts in silence is refused here:
// duplicate keys, nesting deeper than a limit, documents larger than a limit, bytes that are not UTF-8, trailing bytes.
// Keeps what a faithful re-dump needs: the order of keys, and the digits of every number as they were written.
//
// Thread-safety: values are immutable after construction. No exception leaves ParseJson (bad_alloc becomes
// kResourceExhausted).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shardfs/base/result.h"

namespace shardfs {

class JsonValue;
using JsonMember = std::pair<std::string, JsonValue>;

class JsonValue {
 public:
  enum class Type : std::uint8_t { kNull, kBool, kInteger, kFloat, kString, kArray, kObject };

  JsonValue() = default;  // null
  static JsonValue Null() { return {}; }
  static JsonValue Bool(bool value);
  static JsonValue Integer(std::int64_t value);
  // `text` must be a JSON number as written in a document; kInteger when it has neither '.', 'e' nor 'E', of any size.
  static JsonValue Number(std::string text);
  static JsonValue String(std::string value);
  static JsonValue Array(std::vector<JsonValue> items);
  static JsonValue Object(std::vector<JsonMember> members);  // keys must be unique

  Type type() const { return type_; }
  bool is_null() const { return type_ == Type::kNull; }
  bool is_object() const { return type_ == Type::kObject; }
  bool is_array() const { return type_ == Type::kArray; }
  bool is_string() const { return type_ == Type::kString; }
  bool is_integer() const { return type_ == Type::kInteger; }

  // Each returns nothing when the value is of another type (or, AsInt64, out of range).
  std::optional<bool> AsBool() const;
  std::optional<std::int64_t> AsInt64() const;
  std::optional<std::string_view> AsString() const;

  const std::vector<JsonValue>& items() const { return items_; }       // empty unless kArray
  const std::vector<JsonMember>& members() const { return members_; }  // empty unless kObject; document order
  const JsonValue* Find(std::string_view key) const;                   // nullptr when absent or no object
  // A number as written in the document, or a string's bytes; empty for other types.
  const std::string& text() const { return text_; }

  // A copy of this object in which `key` has `value`: at its old place if it was there, else last.
  JsonValue WithMember(std::string_view key, JsonValue value) const;

 private:
  Type type_ = Type::kNull;
  bool bool_ = false;
  std::string text_;
  std::vector<JsonValue> items_;
  std::vector<JsonMember> members_;
};

struct JsonLimits {
  std::size_t max_bytes = 100u << 20;
  std::size_t max_depth = 64;
  std::size_t max_values = 2'000'000;  // a value can take 2 bytes of text and takes about 100 in memory
};

// `what` names the document in messages ("config.json"). Errors: kCorruption with the byte offset, kNotSupported when
// a limit is exceeded.
Result<JsonValue> ParseJson(std::string_view text, std::string_view what, const JsonLimits& limits = {});

// Arguments of Python's json.dump.
struct PythonJsonStyle {
  std::optional<std::size_t> indent = 4;  // none: all in one line, ", " between the items
  bool ensure_ascii = true;  // escapes all but ASCII, with surrogate pairs for what lies beyond the BMP
};

// The bytes that Python's json.dump(value, indent=..., ensure_ascii=...) writes: keys in order, floats as repr() gives
// them (1e-06, 1.0, 1e+16), integers in full, "[]" and "{}" for empty containers, no trailing newline.
// (spec/mindie-weight-sharder.md, section 5; spec/huggingface-view.md, sections 2 and 3)
std::string DumpPythonJson(const JsonValue& value, const PythonJsonStyle& style = {});

// Whether a JSON document can hold the text: DumpPythonJson replaces what is not UTF-8.
bool IsUtf8(const std::string& text);

}  // namespace shardfs
